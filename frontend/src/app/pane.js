/* On wide windows the list stands beside the record; phones never load it. */

const WIDE = "(min-width: 900px)";

function fill() {
  const pane = document.querySelector("[data-pane]");
  if (!pane || !window.matchMedia(WIDE).matches || "filled" in pane.dataset) return;
  pane.dataset.filled = "";
  window.htmx.ajax("GET", pane.dataset.pane, { target: pane, select: pane.dataset.paneSelect, swap: "innerHTML" });
}

function markHere(event) {
  if (!event.target.matches("[data-pane]")) return;
  event.target.querySelectorAll("a.row__link").forEach((link) => {
    if (link.pathname === location.pathname) link.closest("li").setAttribute("aria-current", "true");
  });
}

window.addEventListener("resize", fill);
document.addEventListener("htmx:afterSettle", markHere);
if (document.readyState === "complete") fill();
else window.addEventListener("load", fill);
