/* The native side of WeCom's client, for an ordinary Chromium: what the client injects into every page, played by the
 * emulator. The real @wecom/jssdk talks to it. Reads `window.__phone`:
 *   base       address of the emulator (required)
 *   user       who holds the phone; without it the emulator's cookie says so
 *   position   {latitude, longitude, accuracy} or {fail: "reason"}; without it the emulator's
 *   photos     data URLs that the camera gives; without it a picture is painted
 *   scan       what a scan finds; without it a business card
 *   speech     what is heard when somebody speaks
 *   member     userid of the colleague who is chosen; without it nobody is
 *   cancel     name of an API whose next call the person cancels
 *   refuse     name of an API that the phone does not allow
 *   call       (path, options) => Promise<object>, where the page's policy forbids fetch to the emulator
 */
(function () {
  "use strict";

  const phone = (window.__phone = window.__phone || {});
  const locals = new Map(); // local id → Blob
  const allowed = new Set();
  const handlers = new Map();
  const OPEN = new Set(["preVerifyJSAPI", "agentConfig", "closeWindow", "hideOptionMenu", "showOptionMenu"]);
  const android = /Android/i.test(navigator.userAgent);
  const ios = /iPhone|iPad|iPod/i.test(navigator.userAgent);

  function who() {
    return phone.user ? "?user=" + encodeURIComponent(phone.user) : "";
  }

  async function ask(path, options) {
    if (phone.call) return phone.call(path, options || {});
    const answer = await fetch(phone.base + path, { credentials: "include", ...(options || {}) });
    return answer.json();
  }

  function post(path, value) {
    return ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
  }

  function tell(message) {
    if (window.parent !== window) window.parent.postMessage(message, "*");
    window.dispatchEvent(new CustomEvent("phone", { detail: message }));
  }

  async function verify(kind, params) {
    const config = kind === "config";
    const list = (config ? params.verifyJsApiList : params.jsApiList) || [];
    const verdict = await post("/webview/verify-signature", {
      kind,
      corpid: config ? params.appId : params.corpid,
      agentid: params.agentid,
      timestamp: config ? params.verifyTimestamp : params.timestamp,
      nonceStr: config ? params.verifyNonceStr : params.nonceStr,
      signature: config ? params.verifySignature : params.signature,
      url: location.href.split("#")[0],
    });
    if (!verdict.ok) return { word: "fail_" + verdict.errMsg, err_code: verdict.errCode };
    list.forEach((name) => allowed.add(name));
    return { word: "ok" };
  }

  async function locate() {
    const found = phone.position || (await ask("/webview/position" + who()));
    if (found.fail) return { word: "fail_" + found.fail };
    const { latitude, longitude, accuracy = 25 } = found;
    return { word: "ok", latitude: String(latitude), longitude: String(longitude), accuracy: String(accuracy), speed: "0" };
  }

  function paint(number) {
    const canvas = document.createElement("canvas");
    canvas.width = 1280;
    canvas.height = 960;
    const pen = canvas.getContext("2d");
    const sky = pen.createLinearGradient(0, 0, 0, 960);
    sky.addColorStop(0, "#8fb9e8");
    sky.addColorStop(1, "#e9dfc9");
    pen.fillStyle = sky;
    pen.fillRect(0, 0, 1280, 960);
    pen.fillStyle = "#5a6b52";
    pen.fillRect(180, 420, 920, 540);
    pen.fillStyle = "#d9c38c";
    for (let at = 0; at < 5; at += 1) pen.fillRect(240 + at * 170, 500, 110, 140);
    pen.fillStyle = "#ffffff";
    pen.font = "56px sans-serif";
    pen.fillText("门店照片 " + number, 200, 380);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
  }

  async function photograph(params) {
    const count = Math.min(Number(params.count) || 1, (phone.photos || [0]).length);
    const ids = [];
    for (let at = 0; at < count; at += 1) {
      const blob = phone.photos ? blobOf(phone.photos[at]) : await paint(locals.size + 1);
      // On Android a local id can be shown as it is; on iOS only getLocalImgData gives the picture.
      const id = android ? URL.createObjectURL(blob) : "wxLocalResource://" + Date.now() + "-" + locals.size;
      locals.set(id, blob);
      ids.push(id);
    }
    return { word: "ok", localIds: android ? JSON.stringify(ids) : ids };
  }

  function blobOf(dataUrl) {
    const [head, body] = dataUrl.split(",");
    const bytes = Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
    return new Blob([bytes], { type: /data:([^;]*)/.exec(head)[1] });
  }

  async function upload(params) {
    const blob = locals.get(params.localId);
    if (!blob) return { word: "fail_invalid localId" };
    let body = blob;
    if (phone.call) body = await dataUrlOf(blob); // what stands in for fetch takes text only
    const kept = await ask("/webview/upload" + who(), { method: "POST", headers: { "Content-Type": blob.type }, body });
    return { word: "ok", serverId: kept.media_id };
  }

  function dataUrlOf(blob) {
    return new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(blob);
    });
  }

  async function localData(params) {
    const blob = locals.get(params.localId);
    if (!ios || !blob) return { word: "function not exist" };
    return { word: "ok", localData: await dataUrlOf(blob) };
  }

  function scan() {
    const text = phone.scan === undefined ? BUSINESS_CARD : phone.scan;
    return { word: "ok", resultStr: ios ? JSON.stringify({ scan_code: { scan_result: text } }) : text };
  }

  const BUSINESS_CARD = "MECARD:N:陈,志强;ORG:深圳市前海远航供应链有限公司;TEL:13712345678;;"; // what lies before the camera
  let recording = false;

  function startRecord() {
    if (recording) return { word: "fail_recording" };
    recording = true;
    return { word: "ok" };
  }

  function stopRecord() {
    if (!recording) return { word: "fail_not recording" };
    recording = false;
    return { word: "ok", localId: "wxLocalResource://voice-" + Date.now() };
  }

  function translate(params) {
    if (!/voice-/.test(params.localId || "")) return { word: "fail_invalid localId" };
    return { word: "ok", translateResult: phone.speech === undefined ? "客户同意下周试用。" : phone.speech };
  }

  /* Old clients give the result as text. */
  function selectContact(params) {
    if (!phone.member) return { word: "cancel" };
    const users = [{ id: phone.member, name: phone.member, avatar: "" }];
    return { word: "ok", result: JSON.stringify({ selectAll: false, departmentList: [], userList: users }) };
  }

  const NATIVE = {
    startRecord,
    stopRecord,
    translateVoice: translate,
    selectEnterpriseContact: selectContact,
    openUserProfile: (params) => {
      tell({ phone: "profile", userid: params.userid });
      return { word: "ok" };
    },
    preVerifyJSAPI: (params) => verify("config", params),
    agentConfig: (params) => verify("agentConfig", params),
    geoLocation: locate,
    chooseImage: photograph,
    uploadImage: upload,
    getLocalImgData: localData,
    scanQRCode: scan,
    imagePreview: () => ({ word: "ok" }),
    hideOptionMenu: () => ({ word: "ok" }),
    showOptionMenu: () => ({ word: "ok" }),
    closeWindow: () => {
      tell({ phone: "close" });
      return { word: "ok" };
    },
    openLocation: (params) => {
      tell({ phone: "map", place: params });
      return { word: "ok" };
    },
  };

  async function run(name, params) {
    if (!NATIVE[name]) return { word: "function not exist" };
    if (!OPEN.has(name) && !allowed.has(name)) return { word: "permission denied" };
    if (phone.refuse === name) return { word: "permission denied" };
    if (phone.cancel === name) {
      phone.cancel = "";
      return { word: "cancel" };
    }
    try {
      return await NATIVE[name](params || {});
    } catch (error) {
      return { word: "fail_" + error.message };
    }
  }

  window.WeixinJSBridge = {
    invoke(name, params, callback) {
      run(name, params).then(({ word, ...result }) => {
        if (callback) callback({ ...result, err_msg: name + ":" + word });
      });
    },
    on(name, callback) {
      handlers.set(name, callback);
    },
    call() {},
  };

  function announceTitle() {
    tell({ phone: "title", title: document.title });
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.dispatchEvent(new Event("WeixinJSBridgeReady"));
    announceTitle();
    const title = document.querySelector("title");
    if (title) new MutationObserver(announceTitle).observe(title, { childList: true, characterData: true, subtree: true });
  });
})();
