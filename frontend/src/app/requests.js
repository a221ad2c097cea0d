/* Around htmx: the token of every request, the progress bar, what goes wrong, where an answer leads. */
import { csrfToken, text } from "./page.js";
import { signInAgain } from "./session.js";
import { toast } from "./toast.js";

const WORDS_OF_STATUS = { 400: "forbidden", 403: "forbidden", 404: "missing", 410: "missing", 429: "tooFast" };

let running = 0;

function busy(change) {
  running = Math.max(0, running + change);
  document.documentElement.toggleAttribute("data-busy", running > 0);
}

const on = (name, listener) => document.addEventListener(`htmx:${name}`, listener);

on("configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = csrfToken();
});
on("beforeRequest", () => busy(1));
on("afterRequest", () => busy(-1));
on("sendError", lost);
on("timeout", lost);
on("responseError", (event) => {
  const { xhr, elt } = event.detail;
  if (xhr.status === 401) signInAgain(elt.closest("form.form"));
  else toast(detailOf(xhr) || text(WORDS_OF_STATUS[xhr.status] || "failed"), true);
});

/* No answer came. A form that may wait keeps what it holds (offline/forms.js). */
function lost({ detail }) {
  if (detail.elt.dispatchEvent(new CustomEvent("lost", { bubbles: true, cancelable: true }))) toast(text("offline"), true);
}

/* The reason that the server gave, when it answered problem+json. */
function detailOf(xhr) {
  if (!/json/.test(xhr.getResponseHeader("Content-Type") || "")) return "";
  try {
    return JSON.parse(xhr.responseText).detail || "";
  } catch (error) {
    return "";
  }
}

function holds(html, selector) {
  return new DOMParser().parseFromString(html, "text/html").querySelector(selector) !== null;
}

/* A form is put back by an answer that holds it (409, 422). Any other answer is a page of its own: the server sent us
   on, so the browser goes there. */
on("beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  const form = requestConfig.elt;
  if (!form.matches("form.form") || holds(xhr.responseText, `#${form.id}`)) return;
  event.detail.shouldSwap = false;
  if (xhr.status < 300) {
    event.detail.leaving = true;
    location.assign(xhr.responseURL);
  } else {
    toast(text("failed"), true);
  }
});

/* `HX-Trigger: {"toast": "…"}` */
document.addEventListener("toast", (event) => toast(event.detail.value));

/* After "more", a keyboard or screen reader goes on at the first new row. */
let lastRow = null;
on("beforeSwap", (event) => {
  const { target } = event.detail;
  lastRow = target.classList.contains("more") ? { list: target.parentElement, at: [...target.parentElement.children].indexOf(target) } : null;
});
on("afterSettle", () => {
  const next = lastRow && lastRow.list.children[lastRow.at];
  const link = next && next.querySelector("a");
  if (link) link.focus({ preventScroll: true });
  lastRow = null;
});
