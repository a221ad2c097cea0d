/* What the page's head says: words, CSRF token, the server's clock. */

const meta = (name) => {
  const element = document.querySelector(`meta[name="${name}"]`);
  return element ? element.content : "";
};

const words = Object.assign(JSON.parse(meta("ui-texts") || "{}"), JSON.parse(meta("page-texts") || "{}"));

/* The words for `key`, with {name} places filled from `values`. */
export function text(key, values = {}) {
  return (words[key] || key).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

export const csrfToken = () => meta("csrf-token");
export const metaValue = meta;

const serverNow = Date.parse(meta("server-now"));
const skew = Number.isNaN(serverNow) ? 0 : serverNow - Date.now();

/* Milliseconds by the server's clock: phones are often minutes wrong. */
export const now = () => Date.now() + skew;

/* A moment of this device's clock, told in the server's. */
export const asServerTime = (milliseconds) => new Date(milliseconds + skew);

export function element(tag, className, content = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = content;
  return made;
}

/* A picture of the sprite; its address is that of any icon already on the page. */
export function icon(name) {
  const one = document.querySelector("svg.icon use");
  const sprite = one ? one.getAttribute("href").split("#")[0] : "";
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}
