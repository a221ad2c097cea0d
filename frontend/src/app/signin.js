/* Silent sign-in where the host's script hands out the code. One try by itself; then only at a person's tap, and after
   two failures with help. Success that leads back here again and again (a web view that drops cookies) ends the same way. */
import { metaValue, text } from "./page.js";

const STORE = "wsapp.signin";
const FORGET_MS = 300000;
const MOST = 2;
const NOT_TOLD = ["cancel", "timeout", "unsupported", "no_code", "failed"];

function history() {
  const known = JSON.parse(sessionStorage.getItem(STORE) || "{}");
  return Date.now() - (known.at || 0) < FORGET_MS ? known : { failures: 0, successes: 0 };
}

function remember(change) {
  const known = Object.assign(history(), { at: Date.now() });
  known[change] = (known[change] || 0) + 1;
  sessionStorage.setItem(STORE, JSON.stringify(known));
  return known;
}

const ownPath = (next) => (/^\/(?![\/\\])/.test(next || "") ? next : "/h5/");

async function exchange(url, code) {
  const response = await fetch(url, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code, nonce: metaValue("signin-nonce") }),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw { detail: answer.detail || text("failed") };
  return answer.next;
}

function showFailure(box, why, failures) {
  box.querySelector("[data-signin-wait]").hidden = true;
  box.querySelector("[data-signin-failed]").hidden = false;
  box.querySelector("[data-signin-why]").textContent = why;
  box.querySelector("[data-signin-help]").hidden = failures < MOST;
}

async function signIn(box) {
  try {
    const code = await window.WsHost.signInCode(JSON.parse(metaValue("signin-config") || "{}"));
    const next = await exchange(box.dataset.signin, code);
    remember("successes");
    location.replace(ownPath(next));
  } catch (error) {
    const failures = remember("failures").failures;
    // The host says why it gives no code (outside the visible range, for one): its words, and at once what to do.
    const refused = error && error.message && !NOT_TOLD.includes(error.code);
    showFailure(box, (error && error.detail) || (refused && error.message) || text("noCode"), refused ? MOST : failures);
  }
}

/* The nonce is good for one try, so a new try is a new page. */
function retry() {
  sessionStorage.setItem(STORE, JSON.stringify({ at: Date.now(), failures: Math.min(history().failures || 0, MOST - 1), successes: 0 }));
  location.reload();
}

const box = document.querySelector("[data-signin]");
if (box) {
  box.querySelector("[data-signin-retry]").addEventListener("click", retry);
  const known = history();
  if (known.failures >= MOST || known.successes >= MOST) showFailure(box, text("noCode"), MOST);
  else signIn(box);
} else if (!document.querySelector(".shell_alone")) {
  sessionStorage.removeItem(STORE); // a page of somebody who is signed in: the session holds, so this is no loop
}
