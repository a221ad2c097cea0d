/* Forms that may wait ([data-offline]): what is typed survives the page, and without network 保存 keeps it on the phone.

   Listens at the window, before forms.js, which marks a form as sent. */
import { element, metaValue, text, toast } from "./app.js";
import { changedIn, entryOf, holdsPhotos, photosOf, putBack } from "./entries.js";
import * as store from "./store.js";
import { sendNow } from "./waiting.js";

const AFTER_MS = 250;
const DRAFT_MS = 3 * 86400000;
const who = metaValue("who");

const isWaiting = (form) => form.matches && form.matches("form[data-offline]") && who;

// --- saving -------------------------------------------------------------------------------------------------------

window.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (!isWaiting(form) || form.querySelector("[data-uploading]")) return;
    if (event.submitter && event.submitter.hasAttribute("formaction")) return;
    if (navigator.onLine && !("hold" in form.dataset) && !holdsPhotos(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    keep(form);
  },
  true,
);

/* Asked for by requests.js, where a post got no answer: it may have arrived, and the same key says so later. */
document.addEventListener("lost", (event) => {
  if (!isWaiting(event.target)) return;
  event.preventDefault();
  keep(event.target, true);
});

async function keep(form, tried = false) {
  if ("keeping" in form.dataset) return;
  const entry = Object.assign(entryOf(form, who), { tried });
  if (!entry.customer.id) return toast(text("offlineNoCustomer"), true);
  const empty = [...form.querySelectorAll("[required]")].find((field) => !field.value.trim());
  if (empty) {
    empty.focus();
    return toast(text("offlineRequired"), true);
  }
  if (form.again) Object.assign(entry, form.again(entry));
  form.dataset.keeping = "";
  try {
    await store.put(entry);
  } catch (error) {
    delete form.dataset.keeping;
    return toast(text("offlineFull"), true);
  }
  if (navigator.storage && navigator.storage.persist) navigator.storage.persist().catch(() => {}); // not thrown out when room gets short
  await forget(form);
  if (entry.photos.some((one) => one.blob) && !(await store.keepsPhotos())) toast(text("offlineNoPhotos"), true);
  await told(form, entry);
}

/* The form gives way to a note that says where its content is; when it could be sent at once, to what became of it. */
async function told(form, entry) {
  const note = element("div", "notice notice_good");
  note.setAttribute("role", "status");
  note.tabIndex = -1;
  const words = element("div", "notice__text", text("offlineKept"));
  const link = element("a", "", text("offlineSee"));
  link.href = "/h5/offline";
  words.append(" ", link);
  note.append(words);
  form.replaceWith(note);
  note.focus();
  const done = await sendNow();
  const mine = done && done.sent.find((one) => one.key === entry.key);
  if (mine && mine.url) location.assign(mine.url);
  else if (mine) location.assign(link.href);
}

// --- drafts -------------------------------------------------------------------------------------------------------

const draftKey = (form) => `draft:${who}:${form.dataset.offline}:${form.dataset.customer || ""}`;
const timers = new Map();

async function keepDraft(form) {
  if (!form.isConnected || "keeping" in form.dataset || form.again) return;
  const values = changedIn(form);
  const photos = photosOf(form).filter((photo) => photo.blob);
  if (!values.length && !photos.length) return store.remove(draftKey(form));
  const entry = Object.assign(entryOf(form, who), { key: draftKey(form), state: "draft", values, photos });
  await store.put(entry).catch(() => {});
}

export function forget(form) {
  clearTimeout(timers.get(form));
  return store.remove(draftKey(form));
}

function later(event) {
  const form = event.target.closest && event.target.closest("form[data-offline]");
  if (!form || !who) return;
  clearTimeout(timers.get(form));
  timers.set(form, setTimeout(() => keepDraft(form), AFTER_MS));
}

for (const name of ["input", "change", "photoskept"]) document.addEventListener(name, later);

/* The page may be gone in a moment: no time to wait for the next letter. */
function atOnce() {
  for (const form of document.querySelectorAll("form[data-offline]")) if (timers.has(form)) keepDraft(form);
}

window.addEventListener("pagehide", atOnce);
document.addEventListener("visibilitychange", () => document.hidden && atOnce());

/* A form that was saved, or left by 取消, leaves nothing behind. */
document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, xhr } = event.detail;
  if (isWaiting(elt) && xhr && xhr.getResponseHeader("HX-Redirect")) forget(elt);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest(".deed a");
  const form = link && link.closest("form[data-offline]");
  if (form && who) forget(form);
});

export async function restore(form) {
  if (!who) return;
  const draft = await store.get(draftKey(form));
  if (!draft || form.querySelector("[data-errors], [data-heard]")) return;
  if (Date.now() - draft.recorded_at > DRAFT_MS) return forget(form);
  putBack(form, draft);
  toast(text("offlineRestored"));
}

document.querySelectorAll("form[data-offline]").forEach((form) => {
  if (form.matches("[data-customer]")) restore(form).catch(() => {});
});
