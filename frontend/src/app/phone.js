/* Telephone links: a phone dials; a desktop window copies the number, and so does [data-copy]. The host shows our title. */
import { text } from "./page.js";
import { toast } from "./toast.js";

document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="tel:"]');
  if (!link || !("desktop" in document.documentElement.dataset) || !navigator.clipboard) return;
  event.preventDefault();
  copy(link.getAttribute("href").slice(4));
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button.dataset.copy);
});

/* Where the web view keeps the clipboard to itself, the number is at least shown large enough to be noted. */
function copy(number) {
  if (!navigator.clipboard) return toast(number);
  navigator.clipboard.writeText(number).then(() => toast(`${text("copied")} ${number}`), () => toast(number));
}

const host = window.WsHost;
if (host && host.name === "dingtalk" && host.setTitle) Promise.resolve(host.setTitle(document.title)).catch(() => {});
