/* Loads what works without network (offline/main.js, a script of its own): at once where the page needs it, else when the
   page is at rest; not on the first page that a phone ever opens, where nothing can wait. Lends it what is here once. */
import { focusFirstError } from "./forms.js";
import { asServerTime, element, metaValue, text } from "./page.js";
import { addKept } from "./photos.js";
import { askReason, start as startPlaces } from "./place.js";
import { fill } from "./session.js";
import { toast } from "./toast.js";

const SEEN = "wsapp.offline.seen";
const NEEDED = 'form[data-offline], [data-offline-page], form[action="/signout"]';
const REST_MS = 3000;

window.Wsapp = { addKept, asServerTime, askReason, element, fill, focusFirstError, metaValue, startPlaces, text, toast };

function isFirst() {
  try {
    const seen = localStorage.getItem(SEEN);
    localStorage.setItem(SEEN, "1");
    return !seen;
  } catch (error) {
    return false; // a web view that keeps nothing says so to whoever asks
  }
}

function load(address) {
  const script = document.createElement("script");
  script.src = address;
  script.nonce = document.querySelector("script[src]").nonce; // where the page's policy asks for one
  document.head.append(script);
}

function atRest(act) {
  const later = () => (window.requestIdleCallback ? requestIdleCallback(act, { timeout: REST_MS }) : setTimeout(act, REST_MS));
  if (document.readyState === "complete") later();
  else window.addEventListener("load", later);
}

const address = metaValue("offline-script");
if (address) {
  const first = isFirst();
  if (document.querySelector(NEEDED)) load(address);
  else if (!first) atRest(() => load(address));
}
