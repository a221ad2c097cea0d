/* The native side of DingTalk's web view, emulated: lets the real dingtalk-jsapi work in an ordinary Chromium whose
   user agent is DingTalk's. Runs before the page's own scripts, reads window.__phone = {base, user}, and asks the
   emulator for everything that a real client would ask its server. Never shipped to anybody's phone. */
(function () {
  "use strict";

  const phone = window.__phone || {};
  const HOST_ORIGIN = "https://im.dingtalk.com";
  const state = { configured: false, granted: [], listening: {} };

  function ask(path, body) {
    const options = { credentials: "include" };
    if (body !== undefined) {
      options.method = "POST";
      options.headers = { "Content-Type": "application/json" };
      options.body = JSON.stringify(Object.assign({ user: phone.user, url: location.href }, body));
    }
    return fetch(phone.base + path, options).then((response) => response.json()).then((answer) => {
      if (answer.errorCode) throw answer;
      return answer;
    });
  }

  const withUser = (path) => path + (phone.user ? "?user=" + encodeURIComponent(phone.user) : "");

  const refuse = (errorCode, errorMessage) => Promise.reject({ errorCode, errorMessage });

  function tellParent(message) {
    window.parent.postMessage(message, "*");
    window.dispatchEvent(new CustomEvent("phone", { detail: message }));
    return Promise.resolve({});
  }

  function config(parameters) {
    return ask("/webview/verify-signature", {
      corpId: parameters.corpId,
      agentId: parameters.agentId,
      timeStamp: parameters.timeStamp,
      nonceStr: parameters.nonceStr,
      signature: parameters.signature,
      jsApiList: parameters.jsApiList,
    }).then(() => {
      state.configured = true;
      state.granted = parameters.jsApiList || [];
      return {};
    });
  }

  function location_(parameters) {
    return ask(withUser("/webview/position")).then((fix) => ({
      longitude: String(fix.lng),
      latitude: String(fix.lat),
      accuracy: String(fix.accuracy),
      address: "",
      locationType: parameters.useCache === false ? 1 : 3,
      isGpsEnabled: true,
      provider: "lbs",
    }));
  }

  /* The phone's camera: each picture is taken by the emulator and known by a virtual path, as in the real client. */
  function chooseImage(parameters) {
    const many = Math.max(1, Math.min(Number(phone.photos || 1), Number(parameters.count || 1)));
    const shots = Array.from({ length: many }, () =>
      fetch(phone.base + "/webview/upload", { method: "POST", credentials: "include" }).then((response) => response.json()));
    return Promise.all(shots).then((files) => ({
      files: files.map((file) => ({ path: file.path, size: file.size, fileType: "image" })),
      filePaths: files.map((file) => file.path),
    }));
  }

  /* Native upload to any server, as multipart with the page's cookies. */
  function uploadFile(parameters) {
    const name = String(parameters.filePath).split("/").pop();
    return fetch(phone.base + "/webview/photo/" + name, { credentials: "include" })
      .then((response) => (response.ok ? response.blob() : refuse("8", "no such file")))
      .then((picture) => {
        const form = new FormData();
        Object.keys(parameters.formData || {}).forEach((key) => form.append(key, parameters.formData[key]));
        form.append(parameters.fileName, picture, "photo.jpg");
        return fetch(parameters.url, { method: "POST", body: form, headers: parameters.header || {}, credentials: "include" });
      })
      .then((response) => response.text().then((data) => ({ data, header: {}, statusCode: String(response.status) })));
  }

  const BUSINESS_CARD = "MECARD:N:李,娜;ORG:杭州之江海洋食品有限公司;TEL:13612345678;;"; // what lies before the camera
  let recording = 0;

  function startRecord() {
    if (recording) return refuse("13", "recording");
    recording = Date.now();
    return Promise.resolve({});
  }

  function stopRecord() {
    if (!recording) return refuse("13", "not recording");
    const duration = Math.max(1, Math.round((Date.now() - recording) / 1000));
    recording = 0;
    return Promise.resolve({ mediaId: "@voice-" + Date.now(), duration });
  }

  function translate(parameters) {
    if (!/^@voice-/.test(parameters.mediaId || "") || !parameters.duration) return refuse("2", "invalid mediaId");
    return Promise.resolve({ mediaId: parameters.mediaId, content: phone.speech === undefined ? "客户同意下周试用。" : phone.speech });
  }

  /* phone.member: userid of the colleague who is chosen; without it the person cancels. */
  function choosePeople() {
    if (!phone.member) return refuse("-1", "cancel");
    return Promise.resolve({ selectedCount: 1, users: [{ name: phone.member, avatar: "", emplId: phone.member }], departments: [] });
  }

  const NATIVE = {
    "device.audio.startRecord": startRecord,
    "device.audio.stopRecord": stopRecord,
    "device.audio.translateVoice": translate,
    "biz.contact.complexPicker": choosePeople,
    "biz.telephone.quickCallList": (p) => tellParent({ phone: "call", number: p.phoneNumber, corpId: p.corpId }),
    "biz.util.open": (p) => tellParent({ phone: p.name, userid: p.params && p.params.id, corpId: p.params && p.params.corpId }),
    "runtime.permission.requestJsApis": config,
    config,
    "runtime.permission.requestAuthCodeV2": (p) => ask("/webview/code", { corpId: p.corpId, clientId: p.clientId, api: "V2" }),
    "runtime.permission.requestAuthCode": (p) => ask("/webview/code", { corpId: p.corpId, api: "V1" }),
    "device.geolocation.get": location_,
    "biz.util.chooseImage": chooseImage,
    "biz.util.uploadFile": uploadFile,
    "biz.util.scan": () => Promise.resolve({ text: phone.scan === undefined ? BUSINESS_CARD : phone.scan }),
    "biz.util.openLink": (p) => tellParent({ phone: "open", url: p.url }),
    "biz.navigation.setTitle": (p) => tellParent({ phone: "title", title: p.title }),
    "biz.navigation.close": () => tellParent({ phone: "close" }),
    "biz.navigation.quit": () => tellParent({ phone: "close" }),
    "biz.map.view": (p) => tellParent({ phone: "map", lat: p.latitude, lng: p.longitude, title: p.title }),
  };
  const NEEDS_CONFIG = ["device.geolocation.get", "biz.util.chooseImage", "biz.map.view", "device.audio.startRecord",
    "device.audio.stopRecord", "device.audio.translateVoice", "biz.contact.complexPicker", "biz.telephone.quickCallList", "biz.util.open"];

  function invoke(name, parameters) {
    const native = NATIVE[name];
    if (!native || (phone.missing || []).includes(name)) return refuse("1", "method not exist: " + name);
    if (phone.refuse === name) return refuse("11", "permission denied");
    if (phone.cancel === name) {
      phone.cancel = "";
      return refuse("-1", "cancel");
    }
    if (NEEDS_CONFIG.includes(name) && !(state.configured && state.granted.includes(name))) return refuse("7", "no permission: " + name);
    return Promise.resolve().then(() => native(parameters || {})).catch((error) =>
      Promise.reject(error && error.errorCode ? error : { errorCode: "3", errorMessage: String(error && error.message) }));
  }

  /* iOS: callHandler with one answer object; its errorCode is a string, "0" on success. */
  window.WebViewJavascriptBridge = {
    init() {},
    registerHandler(name, handler) { state.listening[name] = handler; },
    callHandler(name, parameters, answer) {
      invoke(name, parameters).then(
        (result) => answer({ errorCode: "0", errorMessage: "success", result }),
        (error) => answer(Object.assign({}, error, { errorCode: String(error.errorCode) })),
      );
    },
  };

  /* Android: nuva hands out one function (success, failure, service, action, parameters). */
  window.nuva = {
    isReady: true,
    require: () => (success, failure, service, action, parameters) => {
      invoke(service ? service + "." + action : action, parameters).then(success, failure);
    },
  };

  /* Desktop: the page talks to its frame by postMessage, here answered by ourselves. */
  if (/DingTalk\(/.test(navigator.userAgent) && !/AliApp\(DingTalk/.test(navigator.userAgent)) {
    window.dd_bridge_config = JSON.stringify({ hostOrigin: HOST_ORIGIN, containerId: "1", corsIframe: true });
    window.dingtalk = { platform: { invokeAPI() {} } };
    const post = window.postMessage.bind(window);
    window.postMessage = function (message, target, ...rest) {
      if (target !== HOST_ORIGIN || !message || message.type !== "request") return post(message, target, ...rest);
      const answer = (success, body) => window.dispatchEvent(new MessageEvent("message", {
        origin: HOST_ORIGIN, data: { type: "response", msgId: message.msgId, success, body },
      }));
      invoke(message.methodName, message.body).then((result) => answer(true, result), (error) => answer(false, error));
      return undefined;
    };
  }
})();
