/* WsHost inside DingTalk's web view, by the host's own script (global `dd`, npm dingtalk-jsapi). Every call gives a
   promise and rejects with {code, message}, so that the page can fall back to what the browser itself can do.

   The host's script weighs a third of a whole page: it is fetched, by the address in this script's own tag, when
   something is first asked of the client. */
(function () {
  "use strict";

  const CALL_MS = 10000;
  const CHOOSE_MS = 300000; // a person is choosing, or taking, a picture
  // Flat and native names: which of them the host's check wants is not documented.
  const API_LIST = [
    "getLocation", "device.geolocation.get",
    "chooseImage", "biz.util.chooseImage",
    "openLocation", "biz.map.view",
    "complexChoose", "biz.contact.complexPicker",
    "quickCallList", "biz.telephone.quickCallList",
    "startRecord", "device.audio.startRecord",
    "stopRecord", "device.audio.stopRecord",
    "translateVoice", "device.audio.translateVoice",
    "biz.util.open",
  ];
  const INSIDE = /DingTalk/i.test(navigator.userAgent);
  const ON_PHONE = INSIDE && /iPhone|iPad|iPod|iOS|Android|OpenHarmony/i.test(navigator.userAgent);
  const SDK = document.currentScript && document.currentScript.dataset.sdk;
  const CALL_KINDS = [0, 1, 2]; // of quickCallList: office call, the phone's own, by the Internet
  let fetched = null; // promise of the host's script
  let configured = null; // promise of the signed parameters

  function failure(error) {
    const given = error || {};
    const code = String(given.errorCode !== undefined ? given.errorCode : given.error !== undefined ? given.error : given.code || "failed");
    const message = String(given.errorMessage || given.message || given.errorMsg || "");
    return { code: code === "-1" ? "cancel" : code, message };
  }

  function inTime(promise, milliseconds) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject({ code: "timeout", message: "" }), milliseconds);
    });
    return Promise.race([promise, late]).then(
      (value) => { clearTimeout(timer); return value; },
      (error) => { clearTimeout(timer); throw error && error.code && error.errorCode === undefined ? error : failure(error); },
    );
  }

  function loaded() {
    if (!fetched) fetched = window.dd ? Promise.resolve() : fetchScript();
    return fetched.then(() => {
      if (platform() === "notInDingTalk") throw { code: "unsupported", message: "" };
    });
  }

  function fetchScript() {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.onload = resolve;
      script.onerror = () => {
        fetched = null; // the line may be better next time
        reject({ code: "no_sdk", message: "" });
      };
      if (!INSIDE || !SDK) reject({ code: "unsupported", message: "" });
      else document.head.appendChild(Object.assign(script, { src: SDK }));
    });
  }

  function platform() {
    return (window.dd && window.dd.env && window.dd.env.platform) || "notInDingTalk";
  }

  /* Call the first of `names` that this build of the script has. */
  function call(names, parameters, milliseconds) {
    return loaded().then(() => {
      const found = names.map(lookUp).find((one) => typeof one === "function");
      if (!found) throw { code: "unsupported", message: names[0] };
      const asked = new Promise((resolve, reject) => {
        const answer = found(Object.assign({ onSuccess: resolve, onFail: reject }, parameters));
        if (answer && typeof answer.then === "function") answer.then(resolve, reject);
      });
      return inTime(asked, milliseconds || CALL_MS);
    });
  }

  function lookUp(name) {
    return name.split(".").reduce((here, part) => (here ? here[part] : undefined), window.dd);
  }

  /* dd.config works once for each page: ask the server to sign this address, then keep the outcome. */
  function ready() {
    if (!configured) {
      configured = loaded().then(() => inTime(configure(), CALL_MS));
      configured.catch((error) => {
        if (error && error.code === "no_sdk") configured = null;
      });
    }
    return configured;
  }

  function configure() {
    const dd = window.dd;
    if (!dd.config) return Promise.reject({ code: "unsupported", message: "" });
    const url = "/h5/host-config?url=" + encodeURIComponent(location.href.split("#")[0]);
    return fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" } })
      .then((response) => (response.ok ? response.json() : Promise.reject({ code: "config_" + response.status, message: "" })))
      .then((signed) => new Promise((resolve, reject) => {
        dd.config({
          agentId: signed.agentId,
          corpId: signed.corpId,
          timeStamp: signed.timeStamp,
          nonceStr: signed.nonceStr,
          signature: signed.signature,
          type: 0,
          jsApiList: API_LIST,
        });
        // Only now: before dd.config, dd.ready means no more than that the bridge is there.
        dd.ready(() => resolve(signed));
        dd.error((error) => reject(failure(error)));
      }));
  }

  /* The new call names the app; clients before 7.0.45 know only the old one, which needs no dd.config either. */
  function signInCode(config) {
    const wanted = { corpId: config.corpId, clientId: config.clientId };
    return call(["requestAuthCode"], wanted)
      .catch((error) => {
        if (error.code === "cancel") throw error;
        return call(["runtime.permission.requestAuthCode"], { corpId: config.corpId }).catch(() => Promise.reject(error));
      })
      .then((answer) => (answer && answer.code ? answer.code : Promise.reject({ code: "no_code", message: "" })));
  }

  /* A fresh fix: the host would hand out one that is up to two minutes old. coordinate 1 is Amap's, GCJ-02. */
  function position() {
    const wanted = { type: 1, useCache: false, coordinate: "1", withReGeocode: false, targetAccuracy: "200" };
    return ready()
      .then(() => call(["getLocation", "device.geolocation.get"], wanted))
      .then((fix) => {
        const lat = Number(fix.latitude), lng = Number(fix.longitude);
        if (!Number.isFinite(lat) || !Number.isFinite(lng)) throw { code: "no_fix", message: "" };
        return { lat, lng, accuracy: Number(fix.accuracy) || 0, fixed_at: Date.now(), coordinate: "gcj02" };
      });
  }

  /* Null where the client has no picker of its own (desktop): the page then opens the browser's. */
  function choosePhotos(max) {
    if (!ON_PHONE) return Promise.resolve(null);
    return ready()
      .then(() => call(["chooseImage"], { count: Math.max(1, Math.min(9, max || 9)), sourceType: ["camera", "album"] }, CHOOSE_MS))
      .then((chosen) => {
        const files = chosen.files || [];
        const paths = chosen.filePaths || files.map((file) => file.path);
        // One after the other: a phone's line is thin, and the photos keep the order they were chosen in.
        return paths.reduce(
          (before, path) => before.then((done) => uploadPhoto(path).then((photo) => done.concat([photo]))),
          Promise.resolve([]),
        );
      });
  }

  function uploadPhoto(path) {
    const token = document.querySelector('meta[name="csrf-token"]');
    return call(["uploadFile"], {
      url: location.origin + "/h5/photos",
      header: { "X-CSRF-Token": token ? token.content : "", Accept: "application/json" },
      fileName: "file",
      filePath: path,
      fileType: "image",
    }, 6 * CALL_MS).then((answer) => {
      const status = Number(answer.statusCode || 200);
      const stored = parsed(answer.data);
      if (status < 200 || status > 299 || !stored.id) throw { code: "upload_" + status, message: stored.detail || "" };
      return { file_id: stored.id, url: stored.url, preview: stored.url };
    });
  }

  /* Record until `stop`, which gives the words. The host keeps the sound, and we never ask for it. */
  function listen() {
    return ready()
      .then(() => call(["startRecord", "device.audio.startRecord"], { maxDuration: 60 }))
      .then(() => ({
        stop: () => call(["stopRecord", "device.audio.stopRecord"], {})
          .then((sound) => call(["translateVoice", "device.audio.translateVoice"], { mediaId: sound.mediaId, duration: sound.duration }, 3 * CALL_MS))
          .then((heard) => String((heard && heard.content) || "").trim()),
      }));
  }

  function pickMember(wanted) {
    return ready().then((signed) => call(["complexChoose", "biz.contact.complexPicker"], {
      title: (wanted && wanted.title) || "",
      corpId: signed.corpId,
      appId: signed.agentId,
      multiple: false,
      maxUsers: 1,
      pickedUsers: (wanted && wanted.chosen) || [],
      pickedDepartments: [],
      responseUserOnly: true,
      startWithDepartmentId: 0,
    }, CHOOSE_MS)).then((chosen) => ((chosen && chosen.users) || []).map((one) => String(one.emplId)));
  }

  function openProfile(userid) {
    return ready().then((signed) => call(["biz.util.open"], { name: "profile", params: { id: String(userid), corpId: signed.corpId } }));
  }

  function callNumber(number) {
    return ready().then((signed) => call(["quickCallList", "biz.telephone.quickCallList"], {
      corpId: signed.corpId, phoneNumber: String(number), typeList: CALL_KINDS, title: "", content: "",
    }, CHOOSE_MS));
  }

  function parsed(text) {
    try {
      return JSON.parse(text) || {};
    } catch (error) {
      return {};
    }
  }

  window.WsHost = {
    name: "dingtalk",
    can: { scan: ON_PHONE, speech: ON_PHONE, members: INSIDE, profile: INSIDE, call: INSIDE, close: INSIDE, title: INSIDE },
    ready,
    signInCode,
    position,
    choosePhotos,
    listen,
    pickMember,
    openProfile,
    call: callNumber,
    scan: () => call(["scan", "biz.util.scan"], { type: "qr" }, CHOOSE_MS).then((answer) => answer.text || answer.code || ""),
    close: () => call(INSIDE && !ON_PHONE ? ["quitPage", "biz.navigation.quit"] : ["closePage", "biz.navigation.close"], {}),
    setTitle: (title) => call(["setNavigationTitle", "biz.navigation.setTitle"], { title: String(title) }),
    openMap: (place) => ready().then(() => call(["openLocation", "biz.map.view"], {
      latitude: place.lat, longitude: place.lng, title: place.name || "", address: place.address || "",
    })),
  };
})();
