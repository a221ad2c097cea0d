/* The service worker: without network it answers with the one page that the phone keeps, and sends what waits when the
   network is back, where the browser offers that. Nothing that the network answers is kept here. */
import { sendWaiting } from "./app/offline/sending.js";
import * as shell from "./app/offline/shell.js";

const SLOW_MS = 15000; // a line on which nothing has come by then is none
const TAG = "wsapp-send";

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => {
  const preload = self.registration.navigationPreload;
  event.waitUntil(Promise.all([self.clients.claim(), preload && preload.enable().catch(() => {})]));
});

async function page(event) {
  const answer = Promise.resolve(event.preloadResponse).then((early) => early || fetch(event.request));
  const late = new Promise((resolve, reject) => setTimeout(reject, SLOW_MS));
  try {
    return await Promise.race([answer, late]);
  } catch (error) {
    answer.catch(() => {});
    return (await shell.kept(shell.PAGE)) || answer;
  }
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  if (request.mode === "navigate" && pathname.startsWith("/h5/")) event.respondWith(page(event));
  else if (pathname.startsWith("/static/")) event.respondWith(shell.kept(request).then((found) => found || fetch(request)));
});

async function sendInBackground() {
  const done = await sendWaiting();
  for (const client of await self.clients.matchAll()) client.postMessage({ waiting: true });
  if (done && (done.stopped === "offline" || done.stopped === "busy")) throw new Error("again later");
}

self.addEventListener("sync", (event) => {
  if (event.tag === TAG) event.waitUntil(sendInBackground());
});
