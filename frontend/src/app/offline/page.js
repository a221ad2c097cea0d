/* The page that a phone keeps (templates_h5/offline/page.html): what waits, and both forms. Without network it stands
   wherever one wanted to go. */
import { askReason, element, focusFirstError, metaValue, startPlaces, text } from "./app.js";
import { newKey, putBack } from "./entries.js";
import { forget, restore } from "./forms.js";
import * as shell from "./shell.js";
import * as store from "./store.js";
import { changed, mine, sendNow } from "./waiting.js";

const FORM = /^\/h5\/customers\/([0-9a-z]{20,40})\/(visits|follow-ups)\/new$/;
const KINDS = { visits: "visit", "follow-ups": "follow_up" };

const box = document.querySelector("[data-offline-page]");
const part = (root, name) => root.querySelector(`[data-${name}]`);

/* What this address asks for: a form for a customer, an entry to be mended, or the list alone. */
function wanted() {
  const query = new URLSearchParams(location.search);
  const found = FORM.exec(location.pathname);
  if (found) return { kind: KINDS[found[2]], customer: found[1], plan: query.get("plan") || "" };
  const kind = Object.values(KINDS).includes(query.get("form")) ? query.get("form") : "";
  return { kind, customer: query.get("customer") || "", mend: query.get("mend") || "" };
}

// --- the list -----------------------------------------------------------------------------------------------------

const two = (number) => String(number).padStart(2, "0");

function minute(milliseconds) {
  const at = new Date(milliseconds);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return at.toDateString() === new Date().toDateString() ? time : `${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

function stateOf(entry) {
  if (entry.state === "refused") return text("offlineStateRefused");
  return text(navigator.onLine ? "offlineStateWaiting" : "offlineStateHere");
}

const contentOf = (entry) => (entry.values.find(([name]) => name === "note" || name === "text") || ["", ""])[1];

function rowOf(entry) {
  const row = document.getElementById("offline-entry").content.firstElementChild.cloneNode(true);
  part(row, "what").textContent = `${text(`offlineKind_${entry.kind}`)} · ${entry.customer.name}`;
  part(row, "state").textContent = stateOf(entry);
  part(row, "state").classList.toggle("badge_overdue", entry.state === "refused");
  const facts = [text("offlineRecorded", { at: minute(entry.recorded_at) }), entry.photos.length ? text("offlinePhotos", { n: entry.photos.length }) : "", contentOf(entry)];
  part(row, "about").textContent = facts.filter(Boolean).join(" · ");
  part(row, "why").textContent = entry.why;
  part(row, "why").hidden = !entry.why;
  const mend = part(row, "mend");
  mend.href = `${shell.PAGE}?mend=${encodeURIComponent(entry.key)}`;
  mend.hidden = entry.tried; // it may be there already
  part(row, "drop").addEventListener("click", () => drop(part(row, "drop"), entry));
  return row;
}

/* Thrown away at the second press. */
async function drop(button, entry) {
  if (!("sure" in button.dataset)) {
    button.dataset.sure = "";
    button.textContent = text("offlineDropSure");
    return;
  }
  await store.remove(entry.key);
  changed();
}

async function drawList() {
  const entries = (await mine()).sort((one, other) => other.recorded_at - one.recorded_at);
  part(box, "list").replaceChildren(...entries.map(rowOf));
  part(box, "list").hidden = !entries.length;
  part(box, "none").hidden = entries.length > 0;
  part(box, "send").hidden = !navigator.onLine || !entries.some((entry) => entry.state === "waiting");
}

// --- the forms ----------------------------------------------------------------------------------------------------

async function offer(select, chosen) {
  const known = new Set([...select.options].map((option) => option.value));
  for (const { id, name } of [...((await store.fact("met")) || []), ...(chosen ? [chosen] : [])]) {
    if (!id || known.has(id)) continue;
    known.add(id);
    select.append(new Option(name || text("offlineThisCustomer"), id));
  }
  if (chosen) select.value = chosen.id;
}

async function open({ kind, customer, plan }, entry) {
  const form = document.getElementById(`offline-${kind}`).content.firstElementChild.cloneNode(true);
  form.querySelector('[name="idempotency_key"]').value = newKey();
  const field = form.querySelector('[name="plan"]');
  if (field) field.value = plan || "";
  part(box, "form").replaceChildren(form);
  part(box, "start").hidden = true;
  await offer(form.querySelector('select[name="customer"]'), entry ? entry.customer : customer && { id: customer });
  if (entry) mend(form, entry);
  else {
    form.dataset.customer = customer || "";
    await restore(form);
    startPlaces(form);
  }
  form.dispatchEvent(new Event("change", { bubbles: true })); // the corp's own fields follow their rules
  form.querySelector(".deed a").addEventListener("click", () => forget(form));
}

/* An entry that was refused, or that is not on its way yet: recorded when it was, wherever that was. */
function mend(form, entry) {
  const values = entry.errors.plan ? entry.values.filter(([name]) => name !== "plan") : entry.values;
  putBack(form, Object.assign({}, entry, { values }), { whole: true });
  const place = form.querySelector("[data-place]");
  if (place) showPlace(place, Object.fromEntries(values));
  form.again = () => ({ key: entry.key, recorded_at: entry.recorded_at, fix_age: entry.fix_age });
  if (entry.errors.recorded_at) offerNow(form, entry);
  showErrors(form, entry);
}

function showPlace(field, { lat, accuracy }) {
  field.querySelector("[data-place-go]").hidden = true;
  field.dataset.state = lat ? "good" : "failed";
  field.querySelector("[data-place-state]").textContent = text(lat ? "located" : "noPlace");
  field.querySelector("[data-place-detail]").textContent = lat ? text("accuracy", { n: accuracy || "?" }) : "";
  askReason(field, !lat);
}

/* Too old to be written for then: saved as of now, with its position as old as it is. */
function offerNow(form, entry) {
  const choice = part(box, "now").content.firstElementChild.cloneNode(true);
  const tick = choice.querySelector("input");
  form.prepend(choice);
  form.again = (made) => {
    const at = tick.checked ? made.recorded_at : entry.recorded_at;
    return { key: entry.key, recorded_at: at, fix_age: entry.fix_age + at - entry.recorded_at };
  };
}

function showErrors(form, entry) {
  const homeless = [];
  for (const [name, words] of Object.entries(entry.errors)) {
    const field = form.querySelector(`[name="${CSS.escape(name)}"]:not([type=hidden])`);
    const cell = field && field.closest(".field");
    if (!cell) homeless.push(words);
    else {
      field.setAttribute("aria-invalid", "true");
      cell.classList.add("field_bad");
      (cell.querySelector(".field__bd") || cell).append(element("p", "field__error", words));
    }
  }
  const words = homeless.join("；") || (Object.keys(entry.errors).length ? "" : entry.why);
  if (words) {
    const note = element("div", "notice notice_bad");
    note.setAttribute("role", "alert");
    note.append(element("p", "notice__text", words));
    form.prepend(note);
  }
  focusFirstError(form);
}

async function openWanted() {
  const asked = wanted();
  const entry = asked.mend ? await store.get(asked.mend) : null;
  if (entry && !entry.tried && metaValue("who") === entry.who) await open({ kind: entry.kind }, entry);
  else if (asked.kind) await open(asked);
}

if (box) {
  document.addEventListener("waiting", drawList);
  window.addEventListener("online", drawList);
  window.addEventListener("offline", drawList);
  part(box, "send").addEventListener("click", sendNow);
  drawList();
  openWanted();
}
