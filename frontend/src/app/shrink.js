/* A photo made small enough for a phone's line: at most 1600 px, JPEG; the place in its EXIF data is gone with it. */

const MOST_PIXELS = 1600;
const QUALITY = 0.82;
const STEPS = [0.82, 0.7, 0.55, 0.4];

function decode(blob) {
  if (window.createImageBitmap) return createImageBitmap(blob).catch(() => decodeByTag(blob));
  return decodeByTag(blob);
}

function decodeByTag(blob) {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    const url = URL.createObjectURL(blob);
    picture.onload = () => {
      URL.revokeObjectURL(url);
      resolve(picture);
    };
    picture.onerror = () => {
      URL.revokeObjectURL(url);
      reject(new Error("not a picture"));
    };
    picture.src = url;
  });
}

function draw(picture, quality = QUALITY, mostPixels = MOST_PIXELS) {
  const scale = Math.min(1, mostPixels / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff"; // where a PNG is transparent
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}

/* What the browser cannot read goes up as it is: the server decides and says why. */
export async function shrink(blob) {
  try {
    return (await draw(await decode(blob))) || blob;
  } catch (error) {
    return blob;
  }
}

/* The photo within so many bytes, for it to wait on the phone: coarser, then smaller. */
export async function shrinkTo(blob, mostBytes) {
  let made = await shrink(blob);
  if (made.size <= mostBytes) return made;
  try {
    const picture = await decode(blob);
    for (const pixels of [MOST_PIXELS, MOST_PIXELS / 2]) {
      for (const quality of STEPS) {
        made = (await draw(picture, quality, pixels)) || made;
        if (made.size <= mostBytes) return made;
      }
    }
  } catch (error) {
    return made;
  }
  return made;
}
