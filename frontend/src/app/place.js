/* Check-in position: ask the host, then the browser; say how good it is; take a reason when there is none. */
import { browserPosition } from "./geolocation.js";
import { mapUrl } from "./maps.js";
import { asServerTime, text } from "./page.js";

const GOOD_METRES = 200;
const GIVE_UP_MS = 15000;

function within(promise, milliseconds) {
  const late = new Promise((_, reject) => setTimeout(() => reject({ code: "timeout", message: "" }), milliseconds));
  return Promise.race([promise, late]);
}

function position() {
  const host = window.WsHost;
  if (!host || !host.position || host.name === "browser") return within(browserPosition(), GIVE_UP_MS);
  return within(host.position(), GIVE_UP_MS).catch(() => within(browserPosition(), GIVE_UP_MS));
}

function show(field, state, headline, detail, button) {
  field.dataset.state = state;
  field.querySelector("[data-place-state]").textContent = headline;
  field.querySelector("[data-place-detail]").textContent = detail;
  const go = field.querySelector("[data-place-go]");
  go.disabled = state === "busy";
  go.textContent = button;
}

function put(field, values) {
  for (const name of ["lat", "lng", "accuracy", "fixed_at", "coordinate"]) field.querySelector(`[name="${name}"]`).value = values[name] || "";
  askReason(field, !values.lat);
}

export function askReason(field, wanted) {
  const reason = field.querySelector("[data-place-reason]");
  reason.hidden = !wanted;
  reason.querySelector("select").disabled = !wanted;
}

function found(field, fix) {
  const accuracy = Math.round(Number(fix.accuracy));
  const good = accuracy <= GOOD_METRES;
  put(field, { lat: fix.lat, lng: fix.lng, accuracy, fixed_at: asServerTime(Number(fix.fixed_at)).toISOString(), coordinate: fix.coordinate });
  show(field, good ? "good" : "rough", text(good ? "located" : "roughly"), text("accuracy", { n: accuracy }), text("again"));
}

function missed(field, error) {
  put(field, {});
  const why = error && /denied/.test(error.code) ? "denied" : "noPlaceWhy";
  show(field, "failed", text("noPlace"), text(why), text("again"));
}

function locate(field) {
  if (field.dataset.state === "busy") return;
  show(field, "busy", text("locating"), "", text("again"));
  position().then((fix) => found(field, fix), (error) => missed(field, error));
}

/* Ask for the position of each field that wants one at once. */
export function start(root) {
  root.querySelectorAll('[data-place="auto"]').forEach((field) => {
    if (!field.dataset.state) locate(field);
  });
}

document.addEventListener("click", (event) => {
  const go = event.target.closest("[data-place-go]");
  if (go) locate(go.closest("[data-place]"));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-map]");
  if (!link || !window.WsHost || !window.WsHost.openMap) return;
  event.preventDefault();
  const place = JSON.parse(link.dataset.map);
  window.WsHost.openMap(place).catch(() => window.open(mapUrl(place), "_blank", "noopener"));
});

start(document);
document.addEventListener("htmx:afterSettle", () => start(document));
