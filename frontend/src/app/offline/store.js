/* What waits on this phone, in IndexedDB; where a web view has none, in localStorage, which holds no photos.

   entries   {key, who, kind, customer: {id, name}, values: [[name, value]], photos: [{blob, media_id, id, at}],
              recorded_at, fix_age, state: "waiting" | "refused" | "draft", tried, why, errors}
   facts     {name, value}: whose phone this is, whom they met, when the page was kept, who is sending */

const NAME = "wsapp";
const PLAIN = "wsapp.offline.";
const CLAIM_MS = 90000; // so long a sender that fell silent keeps others from sending

let opened = null;

function open() {
  opened = opened || new Promise((resolve, reject) => {
    const request = self.indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("entries", { keyPath: "key" });
      request.result.createObjectStore("facts", { keyPath: "name" });
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
  return opened;
}

function close() {
  if (opened) opened.then((db) => db.close(), () => {});
  opened = null;
}

/* Do `act` on a store in one transaction; gives what `act`'s last request found. */
function within(mode, store, act) {
  return open().then((db) => new Promise((resolve, reject) => {
    const transaction = db.transaction(store, mode);
    const request = act(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request ? request.result : undefined);
    transaction.onabort = () => reject(transaction.error);
  }));
}

const indexed = {
  keepsPhotos: true,
  all: () => within("readonly", "entries", (store) => store.getAll()),
  get: (key) => within("readonly", "entries", (store) => store.get(key)),
  put: (entry) => within("readwrite", "entries", (store) => store.put(entry)),
  remove: (key) => within("readwrite", "entries", (store) => store.delete(key)),
  fact: (name) => within("readonly", "facts", (store) => store.get(name)).then((found) => found && found.value),
  setFact: (name, value) => within("readwrite", "facts", (store) => store.put({ name, value })),
  async clear() {
    await within("readwrite", "entries", (store) => store.clear());
    await within("readwrite", "facts", (store) => store.clear());
    close();
    self.indexedDB.deleteDatabase(NAME);
  },
  /* Asked and taken in one transaction: of two tabs one gets it. */
  async claim(by) {
    let mine = false;
    await within("readwrite", "facts", (store) => {
      const asked = store.get("claim");
      asked.onsuccess = () => {
        const held = asked.result && asked.result.value;
        mine = !held || held.by === by || held.until < Date.now();
        if (mine) store.put({ name: "claim", value: { by, until: Date.now() + CLAIM_MS } });
      };
    });
    return mine;
  },
};

const read = (name) => JSON.parse(self.localStorage.getItem(PLAIN + name) || "null");
const write = (name, value) => self.localStorage.setItem(PLAIN + name, JSON.stringify(value));
const names = () => Object.keys(self.localStorage).filter((name) => name.startsWith(PLAIN));
const isText = ([, value]) => typeof value === "string";

const plain = {
  keepsPhotos: false,
  all: async () => names().filter((name) => name.startsWith(`${PLAIN}entry.`)).map((name) => JSON.parse(self.localStorage.getItem(name))),
  get: async (key) => read(`entry.${key}`),
  put: async (entry) => write(`entry.${entry.key}`, Object.assign({}, entry, {
    values: entry.values.filter(isText),
    photos: entry.photos.filter((one) => one.id || one.media_id).map(({ id, at, media_id }) => ({ id, at, media_id })),
  })),
  remove: async (key) => self.localStorage.removeItem(`${PLAIN}entry.${key}`),
  fact: async (name) => read(`fact.${name}`),
  setFact: async (name, value) => write(`fact.${name}`, value),
  clear: async () => names().forEach((name) => self.localStorage.removeItem(name)),
  async claim(by) {
    const held = read("fact.claim");
    if (held && held.by !== by && held.until >= Date.now()) return false;
    write("fact.claim", { by, until: Date.now() + CLAIM_MS });
    return true;
  },
};

let chosen = null;

function backend() {
  chosen = chosen || (self.indexedDB ? open().then(() => indexed, () => plain) : Promise.resolve(plain));
  return chosen;
}

const use = (name) => (...values) => backend().then((store) => store[name](...values));

export const all = use("all");
export const get = use("get");
export const put = use("put");
export const remove = use("remove");
export const fact = use("fact");
export const setFact = use("setFact");
export const clear = use("clear");
export const claim = use("claim");
export const release = () => setFact("claim", null);
export const keepsPhotos = () => backend().then((store) => store.keepsPhotos);
