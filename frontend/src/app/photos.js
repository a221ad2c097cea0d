/* Photo picker: choose in the host or in the browser, make small, upload one by one, keep the ids in the form. */
import { shrink, shrinkTo } from "./shrink.js";
import { csrfToken, element, icon, text } from "./page.js";
import { toast } from "./toast.js";

const NOT_TOLD = ["cancel", "cancelled"];
const MOST_WAITING = 400 * 1024; // bytes of a photo that waits on the phone

let queue = Promise.resolve();

const count = (field) => field.querySelectorAll(".photos__one:not([data-photo-add])").length;
const room = (field) => Number(field.dataset.photoLimit) - count(field);

function refresh(field) {
  field.querySelector("[data-photo-add]").hidden = room(field) <= 0;
}

function tile(field, preview) {
  const made = element("li", "photos__one");
  const picture = document.createElement("img");
  picture.alt = `${text("photo")} ${count(field) + 1}`;
  if (/^(blob|data):/.test(preview || "")) picture.src = preview; // the hosts' own addresses are not for our pages
  else picture.hidden = true;
  const drop = element("button", "photos__drop");
  drop.type = "button";
  drop.dataset.photoDrop = "";
  drop.setAttribute("aria-label", text("removePhoto"));
  const cross = document.createElement("span");
  cross.append(icon("close"));
  drop.append(cross);
  const blank = element("span", "photos__blank");
  blank.append(icon("image"));
  made.append(blank, picture, drop);
  field.querySelector("[data-photo-add]").before(made);
  refresh(field);
  return made;
}

function finish(made, { id, url }) {
  const value = document.createElement("input");
  Object.assign(value, { type: "hidden", name: "photos", value: id });
  made.uploadedAt = made.uploadedAt || Date.now();
  if (url) Object.assign(made.querySelector("img"), { src: url, hidden: false });
  made.append(value);
}

/* One upload: multipart `file`, or `media_id` of a photo that the host's script gave to the host. → {id, url} */
function send(url, body, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("X-CSRF-Token", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) progress.value = event.loaded / event.total;
    };
    request.onload = () => {
      const answer = parse(request.responseText);
      if (request.status < 300 && answer.id) resolve(answer);
      else reject(answer);
    };
    request.onerror = () => reject({ detail: text("offline"), lost: true });
    request.ontimeout = request.onerror;
    request.timeout = 60000;
    request.send(body);
  });
}

function parse(body) {
  try {
    return JSON.parse(body);
  } catch (error) {
    return {};
  }
}

async function bodyOf(source, made) {
  const body = new FormData();
  if (source.media_id) body.append("media_id", source.media_id);
  else if (mayWait(made)) body.append("file", (made.blob = made.blob || (await shrinkTo(source.blob, MOST_WAITING))), "photo.jpg");
  else body.append("file", await shrink(source.blob), "photo.jpg");
  return body;
}

/* In a form that may wait, a photo stays at hand until the form is saved, and waits with it (offline/entries.js). */
const mayWait = (made) => made.closest("form[data-offline]") !== null;

function wait(field, made, source) {
  made.mediaId = source.media_id || "";
  made.classList.add("photos__one_waiting");
  if (!made.querySelector(".photos__note")) made.append(element("span", "photos__note", text("photoWaits")));
  field.dispatchEvent(new CustomEvent("photoskept", { bubbles: true }));
}

/* Put a photo that was kept into a form's field: {id, blob, media_id, at}. */
export function addKept(field, photo) {
  const made = tile(field, photo.blob ? URL.createObjectURL(photo.blob) : "");
  Object.assign(made, { blob: photo.blob, mediaId: photo.media_id || "", uploadedAt: photo.at || 0 });
  if (photo.id) finish(made, photo);
  else wait(field, made, photo);
}

/* Upload `source` into its tile, after those before it; a failure leaves a button that tries again. */
function upload(field, made, source) {
  const bar = element("progress", "photos__bar");
  bar.max = 1;
  bar.setAttribute("aria-label", text("photo"));
  made.append(bar);
  made.dataset.uploading = "";
  made.classList.remove("photos__one_failed");
  queue = queue.then(async () => {
    try {
      const body = await bodyOf(source, made);
      if (mayWait(made) && (!navigator.onLine || "hold" in made.closest("form").dataset)) wait(field, made, source);
      else if (made.isConnected) finish(made, await send(field.dataset.photos, body, bar));
    } catch (error) {
      if (error && error.lost && mayWait(made)) wait(field, made, source);
      else failed(field, made, source, error);
    }
    bar.remove();
    delete made.dataset.uploading;
  });
}

function failed(field, made, source, error) {
  made.classList.add("photos__one_failed");
  const retry = element("button", "photos__retry", text("photoFailed"));
  retry.type = "button";
  retry.addEventListener("click", () => {
    retry.remove();
    upload(field, made, source);
  });
  made.append(retry);
  if (error && error.detail) toast(error.detail, true);
}

function take(field, sources) {
  if (sources.length > room(field)) toast(text("photoMax", { n: field.dataset.photoLimit }));
  sources.slice(0, Math.max(0, room(field))).forEach((source) => {
    const made = tile(field, source.preview);
    if (source.file_id) finish(made, { id: source.file_id, url: source.url });
    else upload(field, made, source);
  });
}

const fromFiles = (files) => [...files].map((blob) => ({ blob, preview: URL.createObjectURL(blob) }));

document.addEventListener("change", (event) => {
  const input = event.target;
  const field = input.type === "file" && input.closest("[data-photos]");
  if (!field) return;
  take(field, fromFiles(input.files));
  input.value = ""; // the ids are posted, not the files
});

/* In a host, its own picker comes first; where it has none, the browser's opens. */
document.addEventListener("click", async (event) => {
  const input = event.target.matches("[data-photos] input[type=file]") && event.target;
  const host = window.WsHost;
  if (!input || !host || host.name === "browser" || !host.choosePhotos || input.dataset.plain || !navigator.onLine) return;
  event.preventDefault();
  const field = input.closest("[data-photos]");
  try {
    const chosen = await host.choosePhotos(room(field));
    if (chosen) take(field, chosen);
    else plain(input);
  } catch (error) {
    if (!NOT_TOLD.includes(error && error.code)) plain(input);
  }
});

function plain(input) {
  input.dataset.plain = "1";
  input.click();
  delete input.dataset.plain;
}

document.addEventListener("click", (event) => {
  const drop = event.target.closest("[data-photo-drop]");
  if (!drop) return;
  const field = drop.closest("[data-photos]");
  drop.closest(".photos__one").remove();
  refresh(field);
  const next = field.querySelector("[data-photo-drop], input[type=file]");
  if (next) next.focus();
});
