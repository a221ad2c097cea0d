/* /demo: hands the phones around, opens the app on them, moves the product's clock. */
(function () {
  "use strict";

  const output = document.getElementById("now");
  const moved = document.getElementById("moved");
  const language = document.documentElement.lang;
  let skew = Date.parse(output.dataset.now) - Date.now();

  // --- the clock -----------------------------------------------------------------------------------------------

  function show() {
    const moment = new Date(Date.now() + skew);
    const format = { timeZone: "Asia/Shanghai", month: language === "en" ? "short" : "long", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const text = new Intl.DateTimeFormat(language, format).format(moment);
    if (output.textContent !== text) output.textContent = text;
  }

  async function move(button) {
    const buttons = document.querySelectorAll("[data-move]");
    buttons.forEach((one) => (one.disabled = true));
    moved.textContent = moved.dataset.moving;
    try {
      const answer = await fetch("/demo/clock", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]').content },
        body: JSON.stringify({ move: button.dataset.move }),
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const told = await answer.json();
      skew = Date.parse(told.now) - Date.now();
      output.dataset.now = told.now;
      moved.textContent = moved.dataset.moved;
    } catch (error) {
      moved.textContent = moved.dataset.failed;
    }
    buttons.forEach((one) => (one.disabled = false));
    show();
  }

  document.querySelectorAll("[data-move]").forEach((one) => one.addEventListener("click", () => move(one)));
  setInterval(show, 1000);
  show();

  // --- the phones ----------------------------------------------------------------------------------------------

  const phones = [...document.querySelectorAll("[data-phone]")].map((section) => ({
    section,
    frame: section.querySelector("iframe"),
    people: section.querySelector(".people"),
  }));

  function tell(phone, message) {
    phone.frame.contentWindow.postMessage(message, new URL(phone.frame.src).origin);
  }

  function person(phone, one) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "person";
    button.dataset.user = one.userid;
    button.append(one.name);
    if (one.title) {
      const title = document.createElement("small");
      title.textContent = one.title;
      button.append(title);
    }
    button.addEventListener("click", () => tell(phone, { demo: "holder", user: one.userid }));
    return button;
  }

  function mark(phone, user) {
    phone.people.querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.user === user)));
  }

  function flash(phone) {
    phone.section.classList.remove("phone_news");
    void phone.section.offsetWidth; // so that the animation begins again
    phone.section.classList.add("phone_news");
  }

  window.addEventListener("message", (event) => {
    const phone = phones.find((one) => one.frame.contentWindow === event.source);
    const message = event.data || {};
    if (!phone) return;
    if (message.phone === "ready") phone.people.replaceChildren(...message.people.map((one) => person(phone, one)));
    if (message.phone === "ready" || message.phone === "holder") mark(phone, message.user);
    if (message.phone === "message") flash(phone);
  });

  phones.forEach((phone) => {
    phone.section.querySelector("[data-open]").addEventListener("click", () => tell(phone, { demo: "open" }));
    phone.section.querySelector("[data-chat]").addEventListener("click", () => tell(phone, { demo: "screen", name: "chat" }));
  });
  // Whoever was ready before we listened says so again.
  window.addEventListener("load", () => phones.forEach((phone) => tell(phone, { demo: "hello" })));
})();
