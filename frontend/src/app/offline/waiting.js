/* What waits, on every page: a line that says so and leads to the list; sending when the network is back. */
import { element, metaValue, text, toast } from "./app.js";
import { sendWaiting } from "./sending.js";
import * as store from "./store.js";

const AGAIN_MS = 60000;
const TAG = "wsapp-send";
const who = metaValue("who");
const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("wsapp-offline");

const isList = document.querySelector("[data-offline-page]") !== null;

let timer = 0;

export const mine = async () => (await store.all()).filter((entry) => entry.who === who && entry.state !== "draft");

/* Of somebody else of the same corp, who used this phone before. */
export async function others() {
  const corp = `${who.split(".")[0]}.`;
  return (await store.all()).filter((entry) => entry.who !== who && entry.who.startsWith(corp));
}

const announce = (detail = {}) => document.dispatchEvent(new CustomEvent("waiting", { detail }));

/* Tell this page and the other tabs that what waits has changed. */
export function changed() {
  announce();
  if (channel) channel.postMessage({});
}

/* Send what waits, here and now; later again where it did not go. */
export async function sendNow() {
  if (!who) return null;
  clearTimeout(timer);
  announce();
  if (!navigator.onLine) return ask();
  const done = await sendWaiting((progress) => announce({ progress }));
  changed();
  if (!done) return null;
  const taken = done.sent.filter((one) => one.url).length;
  if (taken) toast(text("offlineSent", { n: taken }));
  if (done.stopped) ask();
  if (done.stopped === "busy" || done.stopped === "offline") timer = setTimeout(sendNow, AGAIN_MS);
  return done;
}

/* Have the browser's service worker send, should this page be gone by then. */
async function ask() {
  const registration = "serviceWorker" in navigator ? await navigator.serviceWorker.getRegistration() : null;
  if (registration && registration.sync) await registration.sync.register(TAG).catch(() => {});
  return null;
}

// --- the line -----------------------------------------------------------------------------------------------------

const region = element("div", "");
const line = element("a", "waiting");
region.setAttribute("role", "status");
line.href = "/h5/offline";
line.hidden = true;
region.append(line);

function wordsOf(entries, progress) {
  const refused = entries.filter((entry) => entry.state === "refused").length;
  if (progress) return text("offlineSending", progress);
  if (isList && navigator.onLine) return ""; // the list says the rest itself
  if (refused) return text("offlineRefused", { n: refused });
  if (!navigator.onLine) return entries.length ? text("offlineHere", { n: entries.length }) : text("offlineNow");
  return entries.length ? text("offlineWaiting", { n: entries.length }) : "";
}

async function draw(event) {
  const { progress } = (event && event.detail) || {};
  const entries = await mine();
  line.textContent = wordsOf(entries, progress);
  line.hidden = !line.textContent;
  line.classList.toggle("waiting_bad", entries.some((entry) => entry.state === "refused"));
}

export function start() {
  const main = document.getElementById("main");
  if (!who || !main) return;
  main.prepend(region);
  document.addEventListener("waiting", draw);
  window.addEventListener("online", sendNow);
  window.addEventListener("offline", () => announce());
  document.addEventListener("visibilitychange", () => document.hidden || sendNow());
  window.addEventListener("pageshow", (event) => event.persisted && sendNow());
  if (channel) channel.onmessage = () => announce();
  if ("serviceWorker" in navigator) navigator.serviceWorker.addEventListener("message", () => announce());
  sendNow();
}
