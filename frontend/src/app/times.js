/* Moments in words: 3 小时前, 明天 09:00. Days are those of the corp, told by the offset in each datetime. */
import { now, text } from "./page.js";

const MINUTE = 60000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const FRESH_EVERY = MINUTE;

function offsetOf(iso) {
  const match = /([+-])(\d\d):(\d\d)$/.exec(iso);
  if (!match) return 0;
  return (match[1] === "-" ? -1 : 1) * (Number(match[2]) * HOUR + Number(match[3]) * MINUTE);
}

const two = (number) => String(number).padStart(2, "0");

/* A moment as read on a clock that is `offset` ahead of UTC. */
function clock(moment, offset) {
  const date = new Date(moment + offset);
  return {
    day: Math.floor((moment + offset) / DAY),
    time: `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`,
    date: `${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`,
    year: date.getUTCFullYear(),
  };
}

function dayWords(days, then, today) {
  if (days === 0) return text("today");
  if (days === 1) return text("tomorrow");
  if (days === -1) return text("yesterday");
  return then.year === today.year ? then.date : `${then.year}-${then.date}`;
}

function ago(passed, then, today) {
  if (passed < MINUTE) return text("agoNow");
  if (passed < HOUR) return text("agoMinutes", { n: Math.floor(passed / MINUTE) });
  const days = today.day - then.day;
  if (days === 0) return text("agoHours", { n: Math.floor(passed / HOUR) });
  if (days === 1) return `${text("yesterday")} ${then.time}`;
  if (days < 7) return text("agoDays", { n: days });
  return dayWords(-days, then, today);
}

export function inWords(iso, how, at = now()) {
  const moment = Date.parse(iso);
  const offset = offsetOf(iso);
  const then = clock(moment, offset);
  const today = clock(at, offset);
  if (how === "ago" && moment <= at) return ago(at - moment, then, today);
  const day = dayWords(then.day - today.day, then, today);
  return how === "day" ? day : `${day} ${then.time}`;
}

function tell(root) {
  root.querySelectorAll("time[data-when]").forEach((time) => {
    if (!time.title) time.title = time.dateTime.slice(0, 16).replace("T", " ");
    time.textContent = inWords(time.dateTime, time.dataset.when);
  });
}

tell(document);
document.addEventListener("htmx:afterSettle", () => tell(document));
setInterval(() => document.hidden || tell(document), FRESH_EVERY);
document.addEventListener("visibilitychange", () => document.hidden || tell(document));
