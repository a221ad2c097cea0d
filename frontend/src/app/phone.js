/* Telephone links: a phone dials; a desktop window copies the number. The host shows our title. */
import { text } from "./page.js";
import { toast } from "./toast.js";

document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="tel:"]');
  if (!link || !("desktop" in document.documentElement.dataset) || !navigator.clipboard) return;
  event.preventDefault();
  const number = link.getAttribute("href").slice(4);
  navigator.clipboard.writeText(number).then(() => toast(`${text("copied")} ${number}`), () => toast(number));
});

const host = window.WsHost;
if (host && host.name === "dingtalk" && host.setTitle) Promise.resolve(host.setTitle(document.title)).catch(() => {});
