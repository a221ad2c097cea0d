/* Naming colleagues: an @ and the first letters of a name open a list, the host's own list of people does the same. Whoever
   is chosen stands below the text as a ticked box. Without network or script, @ and the whole name in the text do. */
import { toast } from "./toast.js";
import { text } from "./page.js";

const host = window.WsHost || {};
const TYPED = /(?:^|[^0-9A-Za-z_.])[@＠]([^\s@＠,，.。;；:：、!！?？()（）]{0,10})$/;
const PAUSE_MS = 200;
let asked = 0; // the newest question; older answers are dropped
let pause = 0;

const partOf = (field) => field.form && field.form.querySelector(`[data-mentions="${field.id}"]`);
const fieldOf = (part) => document.getElementById(part.dataset.mentions);
const listOf = (part) => part.querySelector("[data-mentions-found]");

function find(part, query) {
  const url = `${part.dataset.mentionsFind}?${new URLSearchParams(query)}`;
  return fetch(url, { headers: { Accept: "application/json" } }).then((answer) => (answer.ok ? answer.json() : { people: [] }));
}

function close(part) {
  asked += 1;
  listOf(part).hidden = true;
  listOf(part).replaceChildren();
}

function offer(part, people) {
  const list = listOf(part);
  list.replaceChildren(
    ...people.map((one) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      item.className = "weui-cell row";
      button.className = "mentions__one";
      button.type = "button";
      button.dataset.mentionsId = one.id;
      button.dataset.mentionsName = one.name;
      button.textContent = one.department ? `${one.name} · ${one.department}` : one.name;
      item.append(button);
      return item;
    }),
  );
  list.hidden = !people.length;
  if (people.length) list.scrollIntoView({ block: "center" }); // not behind the buttons at the lower edge
}

function choose(part, id, name) {
  const chosen = part.querySelector("[data-mentions-chosen]");
  const there = [...chosen.querySelectorAll("input")].find((one) => one.value === id);
  if (there) return void (there.checked = true);
  const label = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "mentions", value: id, checked: true });
  const face = Object.assign(document.createElement("span"), { className: "chip__face", textContent: `@${name}` });
  label.className = "chip";
  label.append(box, face);
  chosen.append(label);
}

/* Put the whole name where its beginning was typed, or at the caret. */
function write(field, name, typed) {
  const at = field.selectionStart;
  const before = field.value.slice(0, at - (typed === null ? 0 : typed.length));
  const start = typed === null ? `${before}@${name} ` : `${before}${name} `;
  field.value = start + field.value.slice(at);
  field.setSelectionRange(start.length, start.length);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function typedIn(field) {
  const found = TYPED.exec(field.value.slice(0, field.selectionStart));
  return found ? found[1] : null;
}

document.addEventListener("input", (event) => {
  const field = event.target;
  const part = field.matches && field.matches("textarea") && partOf(field);
  if (!part) return;
  const typed = typedIn(field);
  clearTimeout(pause);
  if (!typed) return close(part);
  const mine = (asked += 1);
  pause = setTimeout(() => {
    find(part, { q: typed }).then(({ people }) => mine === asked && offer(part, people), () => {});
  }, PAUSE_MS);
});

document.addEventListener("click", (event) => {
  const one = event.target.closest("[data-mentions-id]");
  const pick = event.target.closest("[data-mentions-pick]");
  if (one) {
    const part = one.closest("[data-mentions]");
    const field = fieldOf(part);
    choose(part, one.dataset.mentionsId, one.dataset.mentionsName);
    write(field, one.dataset.mentionsName, typedIn(field));
    close(part);
    field.focus();
  } else if (pick && !pick.hidden) {
    pickIn(pick.closest("[data-mentions]"), pick.textContent.trim());
  }
});

function pickIn(part, title) {
  host.pickMember({ title, chosen: [] })
    .then(([userid]) => userid && find(part, { userid }))
    .then((answer) => {
      if (!answer) return;
      const person = answer.people[0];
      if (!person) return toast(text("notAssignable"), true);
      choose(part, person.id, person.name);
      write(fieldOf(part), person.name, null);
    })
    .catch((error) => error && error.code !== "cancel" && toast(text("noDevice"), true));
}

function show(root) {
  if (!(host.can || {}).members) return;
  root.querySelectorAll("[data-mentions-pick]").forEach((one) => (one.hidden = false));
}

show(document);
document.addEventListener("htmx:afterSettle", () => show(document));

// --- quick phrases: put into the text here, no request needed --------------------------------------------------------

document.addEventListener(
  "click",
  (event) => {
    const button = event.target.closest("[data-phrase]");
    const field = button && document.getElementById(button.dataset.phrase);
    if (!field) return;
    event.preventDefault();
    const before = field.value.trimEnd();
    const whole = before ? `${before}\n${button.value}` : button.value;
    field.value = field.maxLength > 0 ? whole.slice(0, field.maxLength) : whole;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  },
  true,
);
