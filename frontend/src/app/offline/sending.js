/* Sending what waits: one after the other, photos first, each entry by its own key, so that none is written twice. Runs in
   pages and in the service worker. */
import * as shell from "./shell.js";
import * as store from "./store.js";

const PATIENCE_MS = 60000;
const PHOTO_LIVES_MS = 3600000; // an upload that no record took is thrown away by the server after a day
const LOCK = "wsapp-send";

/* What ends a round and leaves the rest waiting: "offline", "signin", "busy". */
const stop = (why) => ({ stop: why });

async function ask(url, options) {
  const ending = typeof AbortController === "undefined" ? null : new AbortController();
  const timer = ending && setTimeout(() => ending.abort(), PATIENCE_MS);
  let answer;
  try {
    answer = await fetch(url, Object.assign({ credentials: "same-origin", cache: "no-store", signal: ending && ending.signal }, options));
  } catch (error) {
    throw stop("offline");
  } finally {
    clearTimeout(timer);
  }
  if (answer.status === 401) throw stop("signin");
  const body = await answer.json().catch(() => ({}));
  return { status: answer.status, ok: answer.ok, body };
}

async function session() {
  const { ok, body } = await ask("/h5/offline/session", { headers: { "HX-Request": "true", Accept: "application/json" } });
  if (!ok || !body.who) throw stop("busy");
  return body;
}

function post(url, token, fields) {
  const body = new FormData();
  for (const [name, value] of fields) {
    if (value instanceof Blob) body.append(name, value, value.name || "photo.jpg");
    else body.append(name, value);
  }
  return ask(url, { method: "POST", body, headers: { "X-CSRF-Token": token, Accept: "application/json" } });
}

/* Upload the entry's photos that are not there yet; gives their ids, or why one cannot be taken. */
async function sendPhotos(entry, token) {
  for (const photo of entry.photos) {
    const again = photo.blob || photo.media_id;
    if (photo.id && (!again || Date.now() - photo.at < PHOTO_LIVES_MS)) continue;
    const { status, ok, body } = await post("/h5/photos", token, [photo.blob ? ["file", photo.blob] : ["media_id", photo.media_id]]);
    if (status === 422 || status === 413) return { detail: body.detail, errors: { photos: body.detail } };
    if (!ok || !body.id) throw stop("busy");
    Object.assign(photo, { id: body.id, at: Date.now() });
    await store.put(entry);
  }
  return null;
}

/* Send one entry; gives {url}, or {detail, errors} why it cannot be taken. */
async function send(entry, token) {
  const refused = await sendPhotos(entry, token);
  if (refused) return refused;
  entry.tried = true; // from here on it may be there already: it is not changed any more
  await store.put(entry);
  const { ok, body } = await post("/h5/offline/entries", token, [
    ["record", entry.kind],
    ["who", entry.who],
    ["customer", entry.customer.id],
    ["idempotency_key", entry.key],
    ["recorded_at", String(entry.recorded_at)],
    ["sent_at", String(Date.now())],
    ["fix_age", String(entry.fix_age || 0)],
    ...entry.values,
    ...entry.photos.map((photo) => ["photos", photo.id]),
  ]);
  if (ok && body.url) return body;
  if (body.refused) return body;
  throw stop("busy");
}

async function settle(entry, answer) {
  if (answer.url) await store.remove(entry.key);
  else await store.put(Object.assign(entry, { state: "refused", tried: false, why: answer.detail, errors: answer.errors || {} }));
}

const waiting = async () => (await store.all()).filter((entry) => entry.state === "waiting");

async function round(tell) {
  const sent = [];
  try {
    const { who, token } = await session();
    const mine = (await waiting()).filter((entry) => entry.who === who).sort((one, other) => one.recorded_at - other.recorded_at);
    for (const { key } of mine) {
      const entry = await store.get(key);
      if (!entry || entry.state !== "waiting") continue;
      tell({ at: sent.length + 1, of: mine.length });
      const answer = await send(entry, token);
      await settle(entry, answer);
      sent.push({ key, url: answer.url });
    }
    return { sent, stopped: "" };
  } catch (error) {
    if (!error || !error.stop) throw error;
    if (error.stop === "signin") await forgetNames();
    return { sent, stopped: error.stop };
  }
}

/* Nobody is signed in: names of customers do not stay; what waits does, for whoever recorded it. */
async function forgetNames() {
  await shell.drop();
  await store.setFact("met", []);
  await store.setFact("kept", null);
}

/* One sender at a time, of all tabs and the service worker. */
async function alone(act) {
  if (navigator.locks) return navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => (lock ? act() : null));
  const by = String(Math.random());
  if (!(await store.claim(by))) return null;
  return act().finally(store.release);
}

/* Send what waits; `tell` hears {at, of}. Gives {sent: [{key, url}], stopped}, null when there was nothing to do or
   somebody else is sending. */
export async function sendWaiting(tell = () => {}) {
  if (!(await waiting()).length) return null;
  return alone(() => round(tell));
}
