/* The person's own lists at the host: to-dos that can be ticked, and calendar entries; both can be moved and deleted. */

const ZONE = "Asia/Shanghai";
const LOOK_EVERY = 1500; // milliseconds
const TITLES = { todo: "待办", entry: "日程" };
const ACTS = { complete: "完成", reopen: "重新打开", move: "改期", delete: "删除" };
const byId = (id) => document.getElementById(id);
const holder = () => byId("holder").value;
let drawn = "";

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  if (name === "button") made.type = "button";
  return made;
}

function when(item) {
  const options = { timeZone: ZONE, month: "long", day: "numeric", weekday: "short" };
  if (!item.all_day) Object.assign(options, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const begins = new Intl.DateTimeFormat("zh-CN", options).format(new Date(item.at * 1000));
  return item.list === "entry" && !item.all_day ? `${begins} · ${item.minutes} 分钟` : begins;
}

async function tap(item, act, at) {
  const body = JSON.stringify({ user: holder(), list: item.list, id: item.id, act, at });
  await fetch("/phone/agenda", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  drawn = "";
  await look(true);
}

/* A field for the new moment, on the clock of the sample firms. */
function mover(item, row) {
  const field = element("input", "item__at");
  field.type = "datetime-local";
  field.setAttribute("aria-label", "新的时间");
  field.value = new Date((item.at + 8 * 3600) * 1000).toISOString().slice(0, 16);
  const save = element("button", "item__act", "确定");
  save.addEventListener("click", () => tap(item, "move", Date.parse(`${field.value}:00+08:00`) / 1000));
  row.querySelector(".item__acts").replaceChildren(field, save);
  field.focus();
}

function rowOf(item) {
  const row = element("li", item.done ? "item item_done" : "item");
  row.dataset.item = item.id;
  row.dataset.source = item.source;
  const open = element("button", "item__open");
  open.append(element("b", "", item.title), element("span", "", when(item)));
  open.addEventListener("click", () => document.dispatchEvent(new CustomEvent("phone-open", { detail: { url: item.url } })));
  const acts = element("div", "item__acts");
  for (const act of item.acts) {
    const button = element("button", "item__act", ACTS[act]);
    button.dataset.act = act;
    button.addEventListener("click", () => (act === "move" ? mover(item, row) : tap(item, act)));
    acts.append(button);
  }
  row.append(open, acts);
  return row;
}

function draw(items) {
  const parts = [];
  for (const [list, title] of Object.entries(TITLES)) {
    const mine = items.filter((one) => one.list === list);
    if (!mine.length) continue;
    const rows = element("ul", "items");
    rows.append(...mine.map(rowOf));
    parts.push(element("h2", "items__title", `${title} ${mine.filter((one) => !one.done).length}`), rows);
  }
  const empty = element("p", "chat__empty", "还没有。在应用的“我的 › 待办同步”里打开后，待办会出现在这里");
  byId("agenda").replaceChildren(...(parts.length ? parts : [empty]));
}

/* Draw what is new, unless somebody is choosing a new time at the moment. */
async function look(anyway = false) {
  const user = holder();
  if (!user || byId("device").dataset.screen !== "agenda") return;
  if (!anyway && byId("agenda").querySelector(".item__at")) return;
  const { items } = await (await fetch(`/phone/agenda?user=${encodeURIComponent(user)}`)).json();
  const text = user + JSON.stringify(items);
  if (user !== holder() || text === drawn) return;
  drawn = text;
  draw(items);
}

async function keepLooking() {
  try {
    await look();
  } catch (error) {
    // The emulator is being started again; the next look finds it.
  }
  setTimeout(keepLooking, LOOK_EVERY);
}

document.querySelector('[data-go="agenda"]').addEventListener("click", () => setTimeout(() => look(true)));
keepLooking();
