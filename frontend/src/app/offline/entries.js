/* A form and what is kept of it: both ways. */
import { addKept, asServerTime, fill } from "./app.js";

const NOT_KEPT = ["csrf_token", "idempotency_key", "version", "photos", "photo_files", "fixed_at", "customer", "said", "as_of_now"];
const UPLOAD_LIVES_MS = 3600000;
const PLACE = ["lat", "lng", "accuracy", "coordinate"];

const tiles = (form) => [...form.querySelectorAll("[data-photos] .photos__one:not([data-photo-add])")];
const isFilled = (value) => typeof value === "string" || value.size > 0;

export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/* The photos of a form: uploaded ones by their id, others by what they are. */
export function photosOf(form) {
  return tiles(form).map((tile) => {
    const input = tile.querySelector('input[name="photos"]');
    return { id: input ? input.value : "", at: tile.uploadedAt || 0, blob: tile.blob || null, media_id: tile.mediaId || "" };
  }).filter((photo) => photo.id || photo.blob || photo.media_id);
}

export const holdsPhotos = (form) => tiles(form).some((tile) => (tile.blob || tile.mediaId) && !tile.querySelector('input[name="photos"]'));

function customerOf(form) {
  const chosen = form.querySelector('select[name="customer"]');
  if (!chosen) return { id: form.dataset.customer, name: form.dataset.customerName };
  const option = chosen.selectedOptions[0];
  return { id: chosen.value, name: option ? option.textContent.trim() : "" };
}

/* How old the position was when it was recorded, ms. */
function ageOf(form, now) {
  const fixed = form.querySelector('[name="fixed_at"]');
  const then = fixed ? Date.parse(fixed.value) : NaN;
  return Number.isNaN(then) ? 0 : Math.max(0, Math.round(asServerTime(now) - then));
}

/* What was typed into a form, as it waits: by the phone's own clock. */
export function entryOf(form, who) {
  const now = Date.now();
  const key = form.querySelector('[name="idempotency_key"]');
  return {
    key: (key && key.value) || newKey(),
    who,
    kind: form.dataset.offline,
    customer: customerOf(form),
    values: [...new FormData(form)].filter(([name, value]) => !NOT_KEPT.includes(name) && isFilled(value)),
    photos: photosOf(form),
    recorded_at: now,
    fix_age: ageOf(form, now),
    state: "waiting",
    tried: false,
    why: "",
    errors: {},
  };
}

const isTyped = (field) => field.name && field.type !== "hidden" && field.type !== "file" && !NOT_KEPT.includes(field.name);

function isChanged(field) {
  if (/radio|checkbox/.test(field.type)) return field.checked !== field.defaultChecked;
  if (field.options) return [...field.options].some((option) => option.selected !== option.defaultSelected && option.value);
  return field.value !== field.defaultValue;
}

/* What of a form was changed since it came: [name, value] of fields, none of the hidden ones. */
export function changedIn(form) {
  const changed = new Set([...form.elements].filter((field) => isTyped(field) && isChanged(field)).map((field) => field.name));
  return [...new FormData(form)].filter(([name, value]) => changed.has(name) && typeof value === "string");
}

/* Put what was kept back into a form. */
export function putBack(form, entry, { whole = false } = {}) {
  const names = new Set(entry.values.map(([name]) => name));
  const left = whole ? [] : [...new FormData(form)].filter(([name, value]) => !names.has(name) && typeof value === "string");
  const texts = entry.values.filter(([, value]) => typeof value === "string");
  fill(form, [...left, ...texts]);
  if (whole) carry(form, texts.filter(([name]) => !(entry.errors && name in entry.errors)));
  const field = form.querySelector("[data-photos]");
  if (field) entry.photos.forEach((photo) => addKept(field, fresh(photo)));
  for (const area of form.querySelectorAll("[data-count]")) area.dispatchEvent(new Event("input", { bubbles: true })); // its counter
  form.dispatchEvent(new Event("change", { bubbles: true }));
}

/* An upload that no record took for long is gone from the server: the photo itself is here. */
const fresh = (photo) => (photo.blob && Date.now() - photo.at > UPLOAD_LIVES_MS ? Object.assign({}, photo, { id: "" }) : photo);

/* What the form has no field for goes with it unseen, unless it is what was refused. */
function carry(form, values) {
  for (const [name, value] of values) {
    if (PLACE.includes(name) || form.querySelector(`[name="${CSS.escape(name)}"]`)) continue;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    form.append(field);
  }
}
