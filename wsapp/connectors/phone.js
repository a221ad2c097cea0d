/* The phone of an employee: chats with working cards, the workbench, and a web view around the app.
 *
 * A page around it may send {demo: "hello"}, {demo: "holder", user}, {demo: "open", url} or {demo: "screen", name}, and
 * hears {phone: "ready" | "holder" | "message", host, user, …}. The app inside the web view sends {phone: "title" | "close" |
 * "open" | "map"}, as the host's bridge script does.
 */

const config = JSON.parse(document.body.dataset.config);
const byId = (id) => document.getElementById(id);
const device = byId("device");
const LOOK_EVERY = 1000; // milliseconds
const BANNER_STAYS = 6000;
const PRESS_WAITS = 6; // seconds that a press may take until the card has changed
const ZONE = "Asia/Shanghai"; // the sample firms' wall clock

let people = [];
let user = config.user;
let drawn = ""; // what the chat shows, as text: drawn again only when it differs
let seen = new Set(); // message ids
let skew = 0; // milliseconds that the host's clock is ahead of this browser's
let frame = null;
let bannerTimer = 0;
let lookTimer = 0;
let bannerTalk = { id: "", name: "" };
let unread = 0;
let talk = ""; // the conversation that is open: a group's id, or the app's own
let messages = []; // of all conversations, newest last
let handing = null; // under way: the host learns who holds the phone

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  if (name === "button") made.type = "button";
  return made;
}

async function ask(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  return answer.json();
}

function tellAround(message) {
  if (window.parent !== window) window.parent.postMessage({ host: config.host, user, ...message }, "*");
}

// --- time ------------------------------------------------------------------------------------------------------

const now = () => new Date(Date.now() + skew);
const show = (moment, options) => new Intl.DateTimeFormat("zh-CN", { timeZone: ZONE, hourCycle: "h23", ...options }).format(moment);
const clockTime = (moment) => show(moment, { hour: "2-digit", minute: "2-digit" });
const day = (moment) => show(moment, { month: "long", day: "numeric", weekday: "short" });

function whenText(moment) {
  return day(moment) === day(now()) ? clockTime(moment) : `${day(moment)} ${clockTime(moment)}`;
}

function drawClock() {
  const text = clockTime(now());
  if (byId("clock").textContent !== text) byId("clock").textContent = text;
}

// --- who holds it ----------------------------------------------------------------------------------------------

const holder = () => people.find((one) => one.userid === user);
const appsOf = (person) => (person && person.apps) || [];

async function begin() {
  people = (await ask("/phone/people")).items.filter((one) => one.status !== 5);
  const first = people.find((one) => appsOf(one).some((app) => app.visible)) || people[0];
  byId("holder").replaceChildren(
    ...people.map((one) => {
      const option = element("option", "", [one.name, one.position || one.title].filter(Boolean).join(" · "));
      option.value = one.userid;
      return option;
    }),
  );
  await take(holder() ? user : first.userid);
  introduce();
}

function introduce() {
  tellAround({ phone: "ready", people: people.map(({ userid, name, position, title }) => ({ userid, name, title: position || title })) });
}

/* Hand the phone to somebody else: their messages, and nothing of what was open. */
async function handTo(userid) {
  if (!people.some((one) => one.userid === userid)) return;
  close();
  unread = 0;
  talk = "";
  byId("chat-title").textContent = "";
  go("messages");
  await take(userid);
}

async function take(userid) {
  user = userid;
  drawn = "";
  seen = null; // what is there already is no news
  byId("holder").value = user;
  const address = new URL(location.href);
  address.searchParams.set("user", user);
  history.replaceState(null, "", address);
  drawApps();
  handing = ask("/phone/holder", { user });
  await handing;
  tellAround({ phone: "holder" });
  await look();
}

function drawApps() {
  const apps = appsOf(holder());
  const name = apps.length ? apps[0].name : "应用";
  document.querySelectorAll("[data-app-name]").forEach((one) => (one.textContent = name));
  byId("corp").textContent = holder() ? `${holder().corp_name} · ${holder().name}` : "";
  byId("apps").replaceChildren(
    ...apps.map((app) => {
      const made = element("button", "app");
      made.append(element("span", "appicon"), element("span", "", app.name));
      if (!app.visible) made.append(element("span", "app__note", "不在可见范围"));
      made.addEventListener("click", () => open(app.home_url, app.name));
      return made;
    }),
  );
}

// --- screens ---------------------------------------------------------------------------------------------------

function go(name) {
  device.dataset.screen = name;
  document.querySelectorAll(".tabs button").forEach((one) => one.toggleAttribute("aria-current", one.dataset.go === name));
  if (name === "chat") {
    showTalk();
    byId("banner").hidden = true;
    drawUnread([]);
    byId("chat").scrollTop = byId("chat").scrollHeight;
  }
}

function toast(text) {
  byId("toast").textContent = text;
  byId("toast").hidden = false;
  setTimeout(() => (byId("toast").hidden = true), 3000);
}

// --- the web view ----------------------------------------------------------------------------------------------

/* Where the phone finds an address: the product's own is known here under another one. */
function resolve(url) {
  const wanted = new URL(url, location.href);
  const alias = config.aliases[wanted.origin];
  return alias ? alias + wanted.pathname + wanted.search + wanted.hash : wanted.href;
}

async function open(url, title) {
  await handing; // else the app would be opened as the one before
  close();
  frame = element("iframe");
  frame.allow = "geolocation *; camera *; clipboard-write *";
  frame.title = title || "应用";
  frame.src = resolve(url); // set before it stands in the page, so that it makes no entry in the history
  byId("view-title").textContent = title || "";
  byId("view").replaceChildren(frame);
  go("view");
}

function close() {
  if (!frame) return;
  frame.remove();
  frame = null;
  if (device.dataset.screen === "view") go("messages");
}

function hearApp(message) {
  if (message.phone === "title") byId("view-title").textContent = message.title || "";
  if (message.phone === "close") close();
  if (message.phone === "open") open(message.url);
  if (message.phone === "map") toast(`地图：${(message.place && message.place.name) || message.title || "客户位置"}`);
}

function hearAround(message) {
  if (message.demo === "hello" && handing) introduce();
  if (message.demo === "holder") handTo(message.user);
  if (message.demo === "open") open(message.url || (appsOf(holder())[0] || {}).home_url);
  if (message.demo === "screen") go(message.name);
}

window.addEventListener("message", (event) => {
  const message = event.data || {};
  if (frame && event.source === frame.contentWindow) hearApp(message);
  else if (event.source === window.parent && window.parent !== window) hearAround(message);
});

// --- cards -----------------------------------------------------------------------------------------------------

/* Message bodies may carry the hosts' light markup: links, line breaks, a little Markdown. Shown as plain words. */
function plain(text) {
  const page = new DOMParser().parseFromString(String(text || "").replace(/<br\s*\/?>/gi, "\n"), "text/html");
  return page.body.textContent
    .replace(/^\s*#{1,6}\s+/gm, "")
    .replace(/^\s*>\s?/gm, "")
    .replace(/\[([^\]\n]+)\]\(https?:[^)\s]+\)/g, "")
    .replace(/\*\*(.+?)\*\*/g, "$1")
    .replace(/[ \t]+$/gm, "")
    .trim();
}

/* Links of Markdown, each as a button. */
function linksIn(text) {
  return [...String(text || "").matchAll(/\[([^\]\n]+)\]\((https?:[^)\s]+)\)/g)].map(([, words, url]) => ({ key: "", text: words, url }));
}

function linkIn(text) {
  const found = /href=["']([^"']+)["']/.exec(String(text || ""));
  return found ? found[1] : "";
}

const MANY_LINKS = 2; // so many stand as buttons; more, as in a list, stand where they are

/* Text whose links stay in their places. */
function listWithLinks(text) {
  const whole = element("span", "card__text");
  for (const line of String(text).split("\n").filter((one) => one.trim())) {
    const row = element("span", "card__item");
    let end = 0;
    for (const found of line.matchAll(/\[([^\]\n]+)\]\((https?:[^)\s]+)\)/g)) {
      row.append(plain(line.slice(end, found.index)).replace(/^-$/, ""), linkTo(found[1], found[2]));
      end = found.index + found[0].length;
    }
    row.append(plain(line.slice(end)));
    whole.append(row);
  }
  return whole;
}

function linkTo(words, url) {
  const made = element("button", "card__link", words);
  made.addEventListener("click", () => open(url));
  return made;
}

function pictureOf(message) {
  const image = element("img", "card__picture");
  image.src = `/phone/media/${encodeURIComponent(message.media)}`;
  image.alt = message.title || "图片";
  return image;
}

function articleOf(article) {
  const made = element("button", "card__article");
  const words = element("span", "");
  words.append(element("b", "", plain(article.title)), element("span", "", plain(article.text)));
  made.append(words);
  if (article.picture) {
    const image = element("img", "");
    image.src = resolve(article.picture);
    image.alt = "";
    made.append(image);
  }
  made.addEventListener("click", () => open(article.url));
  return made;
}

/* A choice on a card; what is chosen goes along with the press of its button. */
function questionOf(question, card) {
  const made = element("fieldset", "card__question");
  if (question.title) made.append(element("legend", "", question.title));
  for (const [id, text] of question.options) {
    const label = element("label", "");
    const input = element("input", "");
    input.type = question.many ? "checkbox" : "radio";
    input.name = `${card.dataset.card}-${question.key}`;
    input.dataset.question = question.key;
    input.value = id;
    label.append(input, element("span", "", text));
    made.append(label);
  }
  return made;
}

function chosenOn(card) {
  const chosen = {};
  card.querySelectorAll("input:checked").forEach((one) => (chosen[one.dataset.question] = [...(chosen[one.dataset.question] || []), one.value]));
  return Object.keys(chosen).length ? { selected: chosen } : {};
}

function cardBody(message) {
  if (linksIn(message.text).length > MANY_LINKS) {
    const list = element("div", "card__body");
    if (message.source) list.append(element("span", "card__source", message.source));
    list.append(listWithLinks(message.text));
    return list;
  }
  const body = element("button", "card__body");
  const title = plain(message.title);
  const text = plain(message.text);
  if (message.source && !message.mine) body.append(element("span", "card__source", message.source));
  if (title) body.append(element("span", "card__title", title));
  if (text && text !== title) body.append(element("span", "card__text", title && text.startsWith(title) ? text.slice(title.length).trim() : text));
  const [number, counted] = message.figure || [];
  if (number) {
    const figure = element("span", "card__figure");
    figure.append(element("b", "", number), element("span", "", counted || ""));
    body.append(figure);
  }
  for (const [label, value] of message.lines || []) {
    const line = element("span", "card__line");
    line.append(element("span", "", label), element("span", "", value));
    body.append(line);
  }
  if (message.state) body.append(element("span", "card__state", message.state));
  const url = message.url || linkIn(message.text);
  body.disabled = !url;
  body.addEventListener("click", () => open(url, appsOf(holder())[0] && appsOf(holder())[0].name));
  return body;
}

function cardButton(message, button, card) {
  const made = element("button", button.style === "primary" ? "card__button card__button_primary" : "card__button", button.text);
  made.dataset.key = button.key || "";
  made.addEventListener("click", () => (button.url ? open(button.url) : press(message, button, card)));
  return made;
}

function cardOf(message) {
  const card = element("article", "card");
  card.dataset.message = message.id;
  card.dataset.card = message.card || "";
  if (message.recalled) {
    card.classList.add("card_recalled");
    card.textContent = "消息已撤回";
    return card;
  }
  if (message.mine) card.classList.add("card_mine");
  if (message.kind === "image" && message.media) card.append(pictureOf(message));
  else if ((message.articles || []).length) card.append(...message.articles.map(articleOf));
  else card.append(cardBody(message));
  card.append(...(message.questions || []).map((one) => questionOf(one, card)));
  const links = linksIn(message.text);
  const shown = (message.buttons || []).length ? message.buttons : links.length > MANY_LINKS ? [] : links;
  if (shown.length) {
    const buttons = element("div", "card__buttons");
    buttons.append(...shown.map((button) => cardButton(message, button, card)));
    card.append(buttons);
  }
  return card;
}

async function press(message, button, card) {
  card.classList.add("card_busy");
  card.querySelectorAll(".card__button").forEach((one) => (one.disabled = true));
  const answer = await ask("/phone/press", { user, card: message.card, key: button.key, corp: message.corp, wait: PRESS_WAITS, ...chosenOn(card) });
  if (answer.status !== 200) toast(`应用没有回应（${answer.status || "超时"}），请再试一次`);
  drawn = "";
  await look();
}

// --- what the host has for this person -------------------------------------------------------------------------

function drawChat(messages) {
  const chat = byId("chat");
  const atEnd = chat.scrollHeight - chat.scrollTop - chat.clientHeight < 60;
  const rows = [];
  let before = 0;
  for (const message of messages) {
    if (message.at - before > 300) rows.push(element("p", "chat__time", whenText(new Date(message.at * 1000))));
    before = message.at;
    rows.push(cardOf(message));
  }
  chat.replaceChildren(...(rows.length ? rows : [element("p", "chat__empty", "应用的提醒和卡片会出现在这里")]));
  if (atEnd) chat.scrollTop = chat.scrollHeight;
}

const ofTalk = (group) => messages.filter((one) => (one.group_id || "") === group);

function drawGroups(groups) {
  byId("groups").replaceChildren(
    ...groups.map((group) => {
      const row = element("button", "talk");
      const words = element("span", "talk__text");
      const last = ofTalk(group.id).pop();
      words.append(element("b", "", group.name), element("span", "", last ? [last.source, plain(last.title) || plain(last.text)].filter(Boolean).join("：") : "还没有消息"));
      row.append(element("span", "appicon appicon_group"), words, element("span", "talk__right"));
      row.dataset.group = group.id;
      row.addEventListener("click", () => openTalk(group.id, group.name));
      return row;
    }),
  );
}

function openTalk(group, name) {
  talk = group;
  byId("chat-title").textContent = name;
  byId("say").hidden = !(group ? config.says_in_groups : config.says);
  byId("say-text").placeholder = group ? "说给机器人听，试试：查 森林" : "试试：今天";
  go("chat");
}

function showTalk() {
  if (!byId("chat-title").textContent) return openTalk("", appsOf(holder()).map((app) => app.name)[0] || "应用");
  drawChat(ofTalk(talk));
}

async function say(event) {
  event.preventDefault();
  const text = byId("say-text").value.trim();
  if (!text) return;
  byId("say-text").value = "";
  const answer = await ask("/phone/say", { user, text, ...(talk ? { group: talk } : {}) });
  if (answer.status !== 200) toast(`应用没有收到（${answer.status || "超时"}）`);
  await look();
  byId("chat").scrollTop = byId("chat").scrollHeight;
}

function drawTalk(messages) {
  const last = messages[messages.length - 1];
  byId("talk-last").textContent = last ? [last.state, plain(last.title) || plain(last.text)].filter(Boolean).join(" · ") : "还没有消息";
  byId("talk-time").textContent = last ? whenText(new Date(last.at * 1000)) : "";
}

function drawUnread(fresh) {
  unread = device.dataset.screen === "chat" ? 0 : unread + fresh.length;
  byId("unread").hidden = !unread;
  byId("unread").textContent = String(unread);
}

function announce(message) {
  tellAround({ phone: "message", id: message.id, title: message.title });
  if (device.dataset.screen === "chat") return;
  const banner = byId("banner");
  banner.querySelector("b").textContent = message.source || appsOf(holder()).map((app) => app.name)[0] || "";
  banner.querySelector("span span").textContent = plain(message.title) || plain(message.text);
  bannerTalk = { id: message.group_id || "", name: message.group || byId("talk").querySelector("b").textContent };
  banner.hidden = false;
  clearTimeout(bannerTimer);
  bannerTimer = setTimeout(() => (banner.hidden = true), BANNER_STAYS);
}

function markRead(messages) {
  if (!config.reads || device.dataset.screen !== "chat") return;
  messages.filter((one) => one.read === false).forEach((one) => ask("/phone/read", { id: one.id }));
}

async function look() {
  const whose = user;
  const state = await ask(`/phone/state?user=${encodeURIComponent(whose)}`);
  if (whose !== user) return;
  skew = state.now * 1000 - Date.now();
  messages = state.chats.filter((one) => !one.dropped);
  const fresh = seen ? messages.filter((one) => !seen.has(one.id) && !one.mine) : [];
  seen = new Set(messages.map((one) => one.id));
  markRead(messages);
  const text = JSON.stringify([state.groups || [], messages.map(({ read, ...rest }) => rest)]);
  if (text === drawn) return;
  drawn = text;
  drawChat(ofTalk(talk));
  drawTalk(ofTalk(""));
  drawGroups(state.groups || []);
  drawUnread(fresh);
  if (fresh.length) announce(fresh[fresh.length - 1]);
}

async function keepLooking() {
  try {
    if (user) await look();
  } catch (error) {
    // The emulator is being started again; the next look finds it.
  }
  drawClock();
  clearTimeout(lookTimer);
  lookTimer = setTimeout(keepLooking, LOOK_EVERY);
}

byId("holder").addEventListener("change", (event) => handTo(event.target.value));
document.querySelectorAll("[data-go]").forEach((one) => one.addEventListener("click", () => go(one.dataset.go)));
byId("talk").addEventListener("click", () => openTalk("", byId("talk").querySelector("b").textContent));
byId("say").addEventListener("submit", say);
byId("banner").addEventListener("click", () => {
  close();
  openTalk(bannerTalk.id, bannerTalk.name);
});
document.addEventListener("phone-open", (event) => open(event.detail.url));
byId("view-close").addEventListener("click", close);
byId("view-back").addEventListener("click", () => frame && frame.contentWindow.postMessage({ phone: "back" }, "*"));

begin().then(keepLooking, keepLooking);
