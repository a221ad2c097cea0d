/* Sheets and menus are <details>: they open without script. With it, one is open at a time, Escape and 取消 close it,
   and the focus goes in and comes back. */

const INSIDE = "input:not([type=hidden]), select, textarea, button, a[href]";

function close(popup, focus = true) {
  popup.open = false;
  if (focus) popup.querySelector("summary").focus({ preventScroll: true });
}

/* A menu near the lower edge of a wide window opens upwards. */
function openUpwards(popup) {
  const panel = popup.querySelector(".menu__panel");
  if (!panel) return;
  popup.classList.remove("menu_up");
  popup.classList.toggle("menu_up", panel.getBoundingClientRect().bottom > window.innerHeight);
}

document.addEventListener(
  "toggle",
  (event) => {
    const popup = event.target;
    if (!popup.matches || !popup.matches("details[data-popup]") || !popup.open) return;
    document.querySelectorAll("details[data-popup][open]").forEach((other) => {
      if (other !== popup && !other.contains(popup)) close(other, false);
    });
    openUpwards(popup);
    const first = [...popup.querySelectorAll(INSIDE)].find((inside) => inside.offsetParent !== null || inside.offsetWidth);
    if (first) first.focus({ preventScroll: true });
  },
  true,
);

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-close]")) return;
  const popup = event.target.closest("details[data-popup]");
  if (popup) close(popup);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details[data-popup][open]");
  if (open) close(open);
});

/* a page that comes back from the browser's memory shows no open menu */
window.addEventListener("pageshow", () => {
  document.querySelectorAll("details[data-popup][open]").forEach((popup) => close(popup, false));
});
