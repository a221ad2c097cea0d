/* What every host's client does around a page, in the demo's phones: its name, the page's title, the way back. The host's
   own bridge script follows. Reads `window.__phone` = {agent, base, user}. */
(function () {
  "use strict";

  const phone = window.__phone;
  Object.defineProperty(Navigator.prototype, "userAgent", { configurable: true, get: () => phone.agent });

  function tell(message) {
    if (window.parent !== window) window.parent.postMessage(message, "*");
  }

  function goBack() {
    if (window.navigation && !window.navigation.canGoBack) tell({ phone: "close" });
    else window.history.back();
  }

  document.addEventListener("DOMContentLoaded", () => tell({ phone: "title", title: document.title, url: location.href }));
  window.addEventListener("message", (event) => {
    if (event.source === window.parent && event.data && event.data.phone === "back") goBack();
  });
})();
