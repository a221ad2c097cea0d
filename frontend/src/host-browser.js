/* WsHost for an ordinary browser: what the hosts' host.js offer, by the means of the web. */
import { browserPosition } from "./app/geolocation.js";
import { mapUrl } from "./app/maps.js";

window.WsHost = {
  name: "browser",
  can: {}, // nothing that needs a button of its own: fields are typed, numbers dialled by their links
  ready: () => Promise.resolve(),
  signInCode: () => Promise.reject({ code: "unsupported", message: "" }),
  position: browserPosition,
  choosePhotos: () => Promise.resolve(null),
  scan: () => Promise.reject({ code: "unsupported", message: "" }),
  listen: () => Promise.reject({ code: "unsupported", message: "" }),
  pickMember: () => Promise.reject({ code: "unsupported", message: "" }),
  openProfile: () => Promise.reject({ code: "unsupported", message: "" }),
  call: () => Promise.reject({ code: "unsupported", message: "" }),
  close: () => Promise.resolve(window.close()),
  setTitle(title) {
    document.title = title;
    return Promise.resolve();
  },
  openMap(place) {
    window.open(mapUrl(place), "_blank", "noopener");
    return Promise.resolve();
  },
};
