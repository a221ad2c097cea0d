/* Whose phone this is: keeps the page that opens without network, and clears everything when somebody else signs in, or
   nobody is. */
import { element, metaValue, text } from "./app.js";
import * as shell from "./shell.js";
import * as store from "./store.js";
import { changed, others } from "./waiting.js";

const FRESH_MS = 1800000;
const IDLE_MS = 1500;
const LOOKING_MS = 6000;
const MOST_MET = 20;
const who = metaValue("who");
const OWN_FILES = 'meta[name="offline-script"], script[src*="/vendor/app."], link[href*="/vendor/app."]';
const SIGN_OUT = 'form[action="/signout"]';

// --- the page that opens without network --------------------------------------------------------------------------

const isOurs = (address) => address.startsWith("/static/");

function filesOf(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const named = [
    ...[...page.querySelectorAll("link[href]")].map((one) => one.getAttribute("href")),
    ...[...page.querySelectorAll('meta[name="offline-script"]')].map((one) => one.content),
    ...[...page.querySelectorAll("script[src]")].map((one) => one.getAttribute("src")),
    ...[...page.querySelectorAll("script[data-sdk]")].map((one) => one.dataset.sdk),
    ...[...page.querySelectorAll("use[href]")].map((one) => one.getAttribute("href").split("#")[0]),
  ];
  return [...new Set(named)].filter(isOurs);
}

/* Whether this page says otherwise than the kept one that positions may be asked for. */
function differs(kept) {
  if (location.pathname.startsWith("/h5/me/location")) return true;
  const form = document.querySelector('form[data-offline="visit"]');
  return form !== null && kept.places !== (form.querySelector("[data-place]") !== null);
}

/* Ask for the page anew: at most every half hour, or after the app's own files or the consent changed. */
async function keepPage() {
  if (!("serviceWorker" in navigator) || typeof caches === "undefined") return;
  const build = [...document.querySelectorAll(OWN_FILES)].map((one) => one.src || one.href || one.content).join();
  const kept = await store.fact("kept");
  const isFresh = kept && kept.who === who && kept.build === build && Date.now() - kept.at < FRESH_MS && !differs(kept);
  if (!isFresh || !(await shell.kept(shell.PAGE))) {
    const answer = await fetch(shell.PAGE, { credentials: "same-origin", redirect: "manual" });
    if (!answer.ok) return; // signed out, too: a way to the host is not followed
    const copy = answer.clone();
    const html = await answer.text();
    await shell.keep(copy, filesOf(html));
    await store.setFact("kept", { who, build, at: Date.now(), places: html.includes("data-place=") });
  }
  await navigator.serviceWorker.register("/h5/sw.js", { scope: "/h5/" });
  await navigator.serviceWorker.ready;
  document.documentElement.dataset.offlineReady = "";
}

/* Customers whose pages were opened on this phone: their names can be chosen without network. */
async function meet() {
  const page = document.querySelector("[data-customer][data-customer-name]");
  if (!page) return;
  const { customer: id, customerName: name } = page.dataset;
  const known = ((await store.fact("met")) || []).filter((one) => one.id !== id);
  await store.setFact("met", [{ id, name }, ...known].slice(0, MOST_MET));
}

// --- whose it is --------------------------------------------------------------------------------------------------

/* Somebody else than before: names and drafts go at once. What was not sent stays unseen until it is decided on. */
async function settle() {
  if ((await store.fact("who")) === who) return;
  await shell.drop();
  await store.setFact("met", []);
  await store.setFact("kept", null);
  for (const entry of await others()) if (entry.state === "draft") await store.remove(entry.key);
  await store.setFact("who", who);
}

/* Entries of somebody else of this corp: nobody reads or sends them here; they wait for that member, or are thrown away. */
async function tellOfOthers() {
  const left = await others();
  const main = document.getElementById("main");
  if (!left.length || !main) return;
  const note = element("div", "notice notice_warn");
  const words = element("div", "notice__text", text("offlineOthers", { n: left.length }));
  const drop = element("button", "weui-btn weui-btn_mini weui-btn_default", text("offlineOthersDrop"));
  drop.type = "button";
  drop.addEventListener("click", async () => {
    for (const entry of left) await store.remove(entry.key);
    note.remove();
  });
  const row = element("p", "");
  row.append(drop);
  words.append(row);
  note.append(words);
  main.prepend(note);
}

// --- signing out --------------------------------------------------------------------------------------------------

export async function clearAll() {
  await store.clear().catch(() => {});
  await shell.drop();
  sessionStorage.clear();
  localStorage.clear();
  const registration = "serviceWorker" in navigator ? await navigator.serviceWorker.getRegistration("/h5/") : null;
  if (registration) await registration.unregister();
}

async function leave(form) {
  await clearAll().catch(() => {});
  form.submit();
}

function warn(form, count) {
  const note = element("div", "notice notice_warn");
  note.setAttribute("role", "alert");
  const words = element("div", "notice__text", text("offlineLeave", { n: count }));
  const see = element("a", "weui-btn weui-btn_mini weui-btn_default", text("offlineSee"));
  see.href = "/h5/offline";
  const go = element("button", "weui-btn weui-btn_mini weui-btn_warn", text("offlineLeaveAll"));
  go.type = "button";
  go.addEventListener("click", () => leave(form));
  const row = element("p", "buttons");
  row.append(see, go);
  words.append(row);
  note.append(words);
  form.before(note);
  form.hidden = true;
  go.focus();
}

window.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    if (!form.matches(SIGN_OUT)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const left = (await store.all().catch(() => [])).filter((entry) => entry.state !== "draft");
    if (left.length) warn(form, left.length);
    else leave(form);
  },
  true,
);

// --- at each page -------------------------------------------------------------------------------------------------

const idle = (act) => (window.requestIdleCallback ? requestIdleCallback(act, { timeout: 2 * IDLE_MS }) : setTimeout(act, IDLE_MS));

/* Whoever only looks at the day has the line for that: what is kept comes a while later, at once beside a form. */
const soon = (act) => (document.querySelector("form[data-offline]") ? idle(act) : setTimeout(() => idle(act), LOOKING_MS));

export async function start() {
  if (!who) return;
  await settle();
  await tellOfOthers();
  await meet();
  changed();
  const later = () => soon(() => keepPage().catch(() => {}));
  if (document.readyState === "complete") later();
  else window.addEventListener("load", later);
}
