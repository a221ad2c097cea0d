/* /h5/probe/…: has the host's client take our signature, shows and reports what it said. */
(function () {
  "use strict";

  const box = document.querySelector("[data-probe]");

  /* "iPhone · wxwork/4.1.36": enough to tell phones apart. */
  function device() {
    const agent = navigator.userAgent;
    const model = /iPhone|iPad|Android|OpenHarmony|Windows|Macintosh/.exec(agent);
    const client = /(wxwork|DingTalk)\/[\d.]+/i.exec(agent);
    return [model && model[0], client && client[0]].filter(Boolean).join(" · ");
  }

  function show(name) {
    for (const one of ["wait", "good", "bad"]) box.querySelector("[data-probe-" + one + "]").hidden = one !== name;
  }

  function tell(said) {
    return fetch(box.dataset.probe, {
      method: "POST",
      credentials: "same-origin",
      headers: {
        "Content-Type": "application/json",
        "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]').content,
      },
      body: JSON.stringify(Object.assign({ device: device() }, said)),
    });
  }

  async function prove() {
    try {
      await window.WsHost.ready();
    } catch (error) {
      const said = { worked: false, code: String((error && error.code) || "failed"), message: String((error && error.message) || "") };
      await tell(said);
      box.querySelector("[data-probe-why]").textContent = said.code + " " + said.message;
      show("bad");
      return;
    }
    await tell({ worked: true });
    show("good");
  }

  // The host's script is deferred as well, and comes after this one.
  document.addEventListener("DOMContentLoaded", prove);
})();
