/* A corp's own fields in a form: shows, requires and locks them as their rules say, while the form is filled in.
   For comfort only: the server works the same out when the form is saved (wsapp/crm/fields/conditions.py). */
(function () {
  "use strict";

  const OPEN_LEADS = ["new", "working", "valid"];

  /* What a field of the form holds now: a text, or a list where several were chosen. */
  function held(form, name) {
    const inputs = form.querySelectorAll('[name="' + CSS.escape(name) + '"]');
    const many = [...inputs].some((one) => one.type === "checkbox");
    const values = [...inputs]
      .filter((one) => !["radio", "checkbox"].includes(one.type) || one.checked)
      .map((one) => one.value);
    return many ? values.filter(Boolean) : values[0] || "";
  }

  function valueOf(form, key) {
    const own = "custom." + key;
    return form.querySelector('[name="' + CSS.escape(own) + '"]') ? held(form, own) : held(form, key);
  }

  function text(value) {
    if (value === true) return "1";
    if (value === false || value === null || value === undefined) return "";
    return String(value);
  }

  function is(value, wanted) {
    if (Array.isArray(value)) return value.some((one) => is(one, wanted));
    /* "0" is the form's word for no. */
    return text(value) === text(wanted) || (value === "0" && wanted === false);
  }

  function compare(value, wanted) {
    const mine = Number(String(value).replace(/,/g, ""));
    const theirs = Number(wanted);
    if (!Number.isNaN(mine) && !Number.isNaN(theirs)) return mine - theirs;
    return String(value) < String(wanted) ? -1 : String(value) > String(wanted) ? 1 : 0;
  }

  function holds(form, condition) {
    const value = valueOf(form, condition.field);
    const empty = value.length === 0;
    switch (condition.op) {
      case "filled":
        return !empty;
      case "empty":
        return empty;
      case "eq":
        return is(value, condition.value);
      case "ne":
        return !is(value, condition.value);
      case "gte":
        return !empty && compare(value, condition.value) >= 0;
      default:
        return !empty && compare(value, condition.value) <= 0;
    }
  }

  function all(form, conditions) {
    return conditions ? conditions.every((one) => holds(form, one)) : null;
  }

  function follow(form) {
    for (const box of form.querySelectorAll("[data-custom]")) {
      const rules = JSON.parse(box.dataset.rules);
      const kind = held(form, "kind");
      const isLead = OPEN_LEADS.includes(held(form, "lead"));
      const kinds = rules.kinds || [];
      const elsewhere = rules.kinds && kind && !kinds.includes(kind) && !(isLead && kinds.includes("lead"));
      box.hidden = Boolean(elsewhere) || all(form, rules.show_if) === false;
      if (rules.require_if) box.toggleAttribute("data-required", all(form, rules.require_if));
      if (rules.readonly_if && box.querySelector(".weui-input, .weui-textarea")) {
        const locked = box.hasAttribute("data-stored") && all(form, rules.readonly_if);
        for (const one of box.querySelectorAll("input, textarea")) one.readOnly = locked;
      }
    }
  }

  function followAll() {
    dress();
    for (const button of document.querySelectorAll("[data-locate][hidden]")) button.hidden = false;
    for (const form of document.querySelectorAll("form")) if (form.querySelector("[data-custom]")) follow(form);
  }

  /* --- where one is now: asked of the host, else of the browser ------------------------------------------------- */

  function browserPosition() {
    return new Promise((resolve, reject) => {
      if (!navigator.geolocation) return reject(new Error("unsupported"));
      navigator.geolocation.getCurrentPosition(
        ({ coords }) => resolve({ lat: coords.latitude, lng: coords.longitude, coordinate: "wgs84" }),
        reject,
        { enableHighAccuracy: true, timeout: 10000, maximumAge: 0 }
      );
    });
  }

  function position() {
    const host = window.WsHost;
    if (!host || !host.position || host.name === "browser") return browserPosition();
    return host.position().catch(browserPosition);
  }

  function locate(button) {
    const input = document.getElementById(button.dataset.locate);
    const label = button.querySelector("[data-label]");
    const words = button.dataset.words || label.textContent;
    button.dataset.words = words;
    button.disabled = true;
    label.textContent = button.dataset.locating;
    position()
      .then(
        (fix) => {
          const place = [Number(fix.lat).toFixed(6), Number(fix.lng).toFixed(6)];
          if (fix.coordinate === "wgs84") place.push("wgs84");
          input.value = place.join(",");
          input.dispatchEvent(new Event("input", { bubbles: true }));
          label.textContent = words;
        },
        () => {
          label.textContent = button.dataset.missed;
        }
      )
      .finally(() => {
        button.disabled = false;
      });
  }

  /* --- files: a button of ours over the browser's own, and the names of what was chosen --------------------------- */

  function dress() {
    for (const box of document.querySelectorAll("[data-attach]:not([data-scripted])")) {
      box.toggleAttribute("data-scripted", true);
      box.querySelector(".attached__button").append(box.querySelector("input"));
    }
  }

  document.addEventListener("change", (event) => {
    const box = event.target.type === "file" && event.target.closest("[data-attach]");
    if (!box) return;
    const names = [...event.target.files].map((one) => one.name);
    const said = names.length ? box.dataset.attach.replace("{n}", names.length) + " " + names.join(" · ") : "";
    box.querySelector("[data-picked]").textContent = said;
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-locate]");
    if (button) locate(button);
  });

  document.addEventListener("input", followAll);
  document.addEventListener("change", followAll);
  document.addEventListener("htmx:afterSettle", followAll);
  followAll();
})();
