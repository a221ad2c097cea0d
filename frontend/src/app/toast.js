/* Short notes above the tab bar. Bad news stays until it is closed. */
import { element, text } from "./page.js";

const SHOWN_MS = 3500;
const MOST = 3;

function arm(toast) {
  if (!toast.classList.contains("toast_bad")) {
    setTimeout(() => toast.remove(), SHOWN_MS);
    return;
  }
  const close = element("button", "toast__close", text("close"));
  close.type = "button";
  close.addEventListener("click", () => toast.remove());
  toast.append(close);
}

/* Show `words`; the same words are not shown twice at once. */
export function toast(words, bad = false) {
  const region = document.getElementById("toasts");
  if (!region || !words) return;
  for (const shown of region.children) if (shown.dataset.words === words) shown.remove();
  while (region.children.length >= MOST) region.firstElementChild.remove();
  const made = element("div", bad ? "toast toast_bad" : "toast", words);
  made.dataset.words = words;
  region.append(made);
  arm(made);
}

export function showWaitingToasts() {
  document.querySelectorAll("[data-toast]").forEach((waiting) => {
    waiting.dataset.words = waiting.textContent;
    arm(waiting);
  });
}
