/* What a phone can do beyond the page: scan, hear, choose a colleague, show one, call, close. `WsHost.can` says what this
   client has; buttons for anything else stay hidden, and whatever they save typing can be typed. */
import { text } from "./page.js";
import { readCode } from "./codes.js";
import { toast } from "./toast.js";

const host = window.WsHost || {};
const can = host.can || {};
const LONGEST_MS = 58000; // of one recording: both hosts end it by themselves at a minute

const NEEDS = { scan: "[data-scan]", speech: "[data-speech]", members: "[data-pick]", profile: "[data-profile]", close: "[data-close]" };

function show(root) {
  for (const name of Object.keys(NEEDS)) if (can[name]) root.querySelectorAll(NEEDS[name]).forEach((one) => (one.hidden = false));
}

/* Say what went wrong, unless the person changed their mind. */
function complain(error) {
  if (error && error.code === "cancel") return;
  toast(text(error && /permission|denied|^(?:7|11)$/.test(error.code) ? "notAllowed" : "noDevice"), true);
}

function put(field, value) {
  if (!field || !value) return;
  const longest = field.maxLength > 0 ? field.maxLength : value.length;
  field.value = value.slice(0, longest);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

// --- scanning: a business card's code fills name and telephone, any other code the field ---------------------------

function scan(button) {
  const field = document.getElementById(button.dataset.scan);
  host.scan().then((code) => {
    const card = readCode(code);
    put(field, card.organisation || card.name || card.text);
    const phone = [...document.querySelectorAll('input[name="phones"]')].find((one) => !one.value);
    if (button.dataset.scanPhone !== undefined) put(phone, card.phone);
    if (!code) toast(text("nothingFound"));
  }).catch(complain);
}

// --- hearing: a press starts, the next one stops and writes what was said into the field --------------------------

let hearing = null; // {button, recording, timer}

function speak(button) {
  if (hearing) return hearing.button === button ? stop() : undefined;
  button.disabled = true;
  host.listen().then((recording) => {
    hearing = { button, recording, timer: setTimeout(stop, LONGEST_MS) };
    mark(button, true);
  }, complain).finally(() => (button.disabled = false));
}

function stop() {
  const { button, recording, timer } = hearing;
  hearing = null;
  clearTimeout(timer);
  mark(button, false);
  button.disabled = true;
  const field = document.getElementById(button.dataset.speech);
  recording.stop().then((words) => {
    if (!words) return toast(text("nothingHeard"));
    put(field, field.value ? `${field.value}${/\s$/.test(field.value) ? "" : "\n"}${words}` : words);
    const then = document.getElementById(button.dataset.speechThen || "");
    if (then) then.click();
    else field.focus();
  }).catch(complain).finally(() => (button.disabled = false));
}

function mark(button, on) {
  button.setAttribute("aria-pressed", String(on));
  button.querySelector("[data-label]").textContent = text(on ? "listening" : "speak");
}

// --- colleagues ------------------------------------------------------------------------------------------------

/* The button's list holds the host's ids of those whom the field below can take, in its order. */
function pick(button) {
  const field = document.getElementById(button.dataset.pick);
  const userids = JSON.parse(button.dataset.pickFrom);
  const options = [...field.options].filter((one) => one.value);
  const chosen = userids[options.indexOf(field.selectedOptions[0])];
  host.pickMember({ title: button.textContent.trim(), chosen: chosen ? [chosen] : [] }).then(([userid]) => {
    const option = options[userids.findIndex((one) => one.toLowerCase() === String(userid || "").toLowerCase())];
    if (!option) return userid && toast(text("notAssignable"), true);
    field.value = option.value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }).catch(complain);
}

const DEEDS = {
  scan,
  speech: speak,
  pick,
  profile: (button) => host.openProfile(button.dataset.profile).catch(complain),
  close: () => host.close().catch(complain),
};

document.addEventListener("click", (event) => {
  for (const name of Object.keys(DEEDS)) {
    const button = event.target.closest(`[data-${name}]`);
    if (button && !button.hidden) return DEEDS[name](button);
  }
});

show(document);
document.addEventListener("htmx:afterSettle", () => show(document));

/* The client's own title line takes the page's when it loads; it is told when a part of the page brings another one. */
const title = document.querySelector("title");
if (can.title && title) {
  const tell = () => Promise.resolve(host.setTitle(document.title)).catch(() => {});
  new MutationObserver(tell).observe(title, { childList: true, characterData: true, subtree: true });
}
