/* The one page that a phone keeps, with the files that it needs. Nothing else of the app is ever kept. */

export const PAGE = "/h5/offline";
const CACHE = "wsapp-offline";

const has = () => typeof caches !== "undefined";

/* Keep the page `answer` and the files it names; what earlier ones needed goes. */
export async function keep(answer, files) {
  const cache = await caches.open(CACHE);
  const kept = (await cache.keys()).map((request) => new URL(request.url)).map(({ pathname, search }) => pathname + search);
  await cache.addAll(files.filter((file) => !kept.includes(file)));
  await cache.put(PAGE, answer);
  await Promise.all(kept.filter((file) => file !== PAGE && !files.includes(file)).map((file) => cache.delete(file)));
}

export const kept = (address) => (has() ? caches.open(CACHE).then((cache) => cache.match(address)) : Promise.resolve());

export const drop = () => (has() ? caches.delete(CACHE) : Promise.resolve());
