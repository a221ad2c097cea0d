/* The browser's own position, in the shape of WsHost.position: WGS-84, metres, milliseconds. */

const OPTIONS = { enableHighAccuracy: true, maximumAge: 0, timeout: 10000 };
const CODES = { 1: "denied", 2: "unavailable", 3: "timeout" };

export function browserPosition() {
  return new Promise((resolve, reject) => {
    if (!navigator.geolocation) {
      reject({ code: "unsupported", message: "" });
      return;
    }
    navigator.geolocation.getCurrentPosition(
      ({ coords, timestamp }) =>
        resolve({ lat: coords.latitude, lng: coords.longitude, accuracy: coords.accuracy, fixed_at: timestamp, coordinate: "wgs84" }),
      ({ code, message }) => reject({ code: CODES[code] || "unavailable", message }),
      OPTIONS,
    );
  });
}
