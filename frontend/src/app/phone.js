/* Telephone links: the host's own call where it has one, else a phone dials and a desktop window copies the number; so does
   [data-copy]. */
import { text } from "./page.js";
import { toast } from "./toast.js";

const host = window.WsHost;

document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="tel:"]');
  if (!link) return;
  const number = link.getAttribute("href").slice(4);
  const byItself = "desktop" in document.documentElement.dataset ? () => copy(number) : () => location.assign(link.href);
  if (host && host.can && host.can.call) {
    event.preventDefault();
    host.call(number).catch((error) => error.code === "cancel" || byItself());
  } else if ("desktop" in document.documentElement.dataset && navigator.clipboard) {
    event.preventDefault();
    copy(number);
  }
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
