/* Forms post once; errors get the focus; small helpers of single fields. */
import { text } from "./page.js";
import { toast } from "./toast.js";

function setBusy(form, is) {
  if (is) form.dataset.sent = "";
  else delete form.dataset.sent;
  form.querySelectorAll("button[type=submit]").forEach((button) => {
    button.toggleAttribute("aria-busy", is);
    if (is) button.setAttribute("aria-busy", "true");
    button.disabled = is;
  });
}

/* While a form is on its way, further submits of it are dropped, before htmx or the browser see them. */
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) return;
    if ("sent" in form.dataset) stop(event);
    else if (form.querySelector("[data-uploading]")) {
      stop(event);
      toast(text("photoBusy"));
    } else {
      form.dataset.sent = "";
      setTimeout(() => setBusy(form, "sent" in form.dataset)); // later: a disabled button would not be posted
    }
  },
  true,
);

/* A button that has the form drawn anew: not while a photo is on its way, which would be lost. */
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt } = event.detail;
  if (!elt.matches("button") || !elt.form || !elt.form.querySelector("[data-uploading]")) return;
  event.preventDefault();
  toast(text("photoBusy"));
});

function stop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, xhr, leaving } = event.detail;
  const redirected = xhr && xhr.getResponseHeader("HX-Redirect");
  if (elt.matches("[data-once]") && !leaving && !redirected) setBusy(elt, false);
});

/* Back from the page that followed: the browser shows this one as it was left. */
window.addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("[data-sent]").forEach((form) => setBusy(form, false));
});

export function focusFirstError(root) {
  const first = root.querySelector("[aria-invalid=true]") || root.querySelector("[data-errors]");
  if (!first) return;
  first.focus({ preventScroll: true });
  (first.closest(".field") || first).scrollIntoView({ block: "center" });
}

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.matches("form.form")) focusFirstError(event.target);
});

/* quick values beside a date field */
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-fill]");
  if (!button) return;
  const field = document.getElementById(button.dataset.fill);
  field.value = button.dataset.value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

/* characters used so far */
document.addEventListener("input", (event) => {
  const { count } = event.target.dataset;
  if (count) document.getElementById(count).textContent = `${event.target.value.length}/${event.target.maxLength}`;
});

/* at most so many of a group */
document.addEventListener("change", (event) => {
  const group = event.target.closest("fieldset[data-max]");
  if (!group || group.querySelectorAll(":checked").length <= Number(group.dataset.max)) return;
  event.target.checked = false;
  toast(text("tooMany", { n: group.dataset.max }));
});
