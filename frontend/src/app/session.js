/* A session that ended while a page was open: sign in again once, without losing what was typed.

   The typed values wait in sessionStorage (this tab only) for the seconds of the silent sign-in, and are deleted as
   soon as the page is back, whatever happens. */
import { text } from "./page.js";
import { toast } from "./toast.js";

const KEPT = "wsapp.kept";
const TRIED = "wsapp.tried";
const ONCE_IN_MS = 60000;
const KEEP_MS = 300000;
const NOT_KEPT = ["csrf_token", "idempotency_key", "version", "photos"];

function keep(form) {
  const values = [...new FormData(form)].filter(([name, value]) => typeof value === "string" && !NOT_KEPT.includes(name));
  sessionStorage.setItem(KEPT, JSON.stringify({ page: location.pathname, form: form.id, at: Date.now(), values }));
}

/* Reload the page: the server leads through the sign-in and back. Only once a minute, so that it cannot run in circles. */
export function signInAgain(form) {
  if (Date.now() - Number(sessionStorage.getItem(TRIED) || 0) < ONCE_IN_MS) {
    toast(text("signinFailed"), true);
    return;
  }
  sessionStorage.setItem(TRIED, String(Date.now()));
  if (form) keep(form);
  toast(text("expired"));
  location.reload();
}

/* Put [name, value] back into a form; a box that is not among them is not ticked. */
export function fill(form, values) {
  const filled = {};
  form.querySelectorAll("[type=radio], [type=checkbox]").forEach((box) => {
    box.checked = values.some(([name, value]) => name === box.name && value === box.value);
  });
  for (const [name, value] of values) {
    const fields = [...form.querySelectorAll(`[name="${name}"]`)].filter((field) => !/radio|checkbox|file/.test(field.type));
    const index = filled[name] || 0;
    filled[name] = index + 1;
    if (fields[index]) fields[index].value = value;
  }
}

export function restoreKept() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) || "null");
  sessionStorage.removeItem(KEPT);
  const form = kept && document.getElementById(kept.form);
  if (!form || kept.page !== location.pathname || Date.now() - kept.at > KEEP_MS) return;
  fill(form, kept.values);
  toast(text("unsaved"));
}
