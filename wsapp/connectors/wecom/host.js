/* WeCom's side of WsHost: what our pages ask of the host's client. Runs in WeCom's web view, by the host's own script
   (global `ww`), which weighs a third of a whole page: it is fetched, by the address in this script's own tag, when
   something is first asked of the client. */
(function () {
  "use strict";

  const MACHINE = 10000; // ms that the client may take when no person is involved
  const UPLOAD = 60000;
  const PERSON = 300000; // choosing photos and scanning take as long as they take
  const APIS = [
    "getLocation", "openLocation", "chooseImage", "uploadImage", "getLocalImgData", "previewImage", "scanQRCode", "closeWindow",
    "startRecord", "stopRecord", "translateVoice", "selectEnterpriseContact", "openUserProfile",
  ];
  const agent = navigator.userAgent;
  const isDesktop = /WindowsWechat|Windows NT|Macintosh/i.test(agent) && !(navigator.maxTouchPoints > 2);

  const SDK = document.currentScript && document.currentScript.dataset.sdk;
  const signatures = new Map(); // page address → promise of its signed parameters
  let fetched = null;
  let registered = null;

  function failure(code, message) {
    return { code: String(code), message: String(message || code) };
  }

  /* The client's errors look like {errMsg: "getLocation:cancel", errCode: -1}; ours are {code, message}. */
  function translate(error) {
    if (error && error.code && error.message && !error.errMsg) return failure(error.code, error.message);
    const text = String((error && (error.errMsg || error.message)) || error || "fail");
    const keyword = text.slice(text.indexOf(":") + 1).trim();
    const code = /^(cancel|permission denied|function not exist)/.test(keyword) ? keyword.split(":")[0] : "fail";
    return failure(code.replace(/ /g, "_"), text);
  }

  function within(ms, promise) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(failure("timeout", "the client did not answer in time")), ms);
      promise.then(resolve, (error) => reject(translate(error))).finally(() => clearTimeout(timer));
    });
  }

  function page() {
    return location.href.split("#")[0];
  }

  function signed(url) {
    if (!signatures.has(url)) {
      const asked = fetch("/h5/host-config?url=" + encodeURIComponent(url), {
        credentials: "same-origin",
        headers: { Accept: "application/json" },
      }).then((answer) => {
        if (!answer.ok) throw failure("config_" + answer.status, "the page could not be signed");
        return answer.json();
      });
      asked.catch(() => signatures.delete(url));
      signatures.set(url, asked);
    }
    return signatures.get(url);
  }

  function signatureOf(field) {
    return (url) =>
      signed(url).then((one) => ({ timestamp: one.timestamp, nonceStr: one.nonce, signature: one[field] }));
  }

  function loaded() {
    if (!fetched) {
      fetched = typeof ww === "undefined" ? fetchScript() : Promise.resolve();
      fetched.catch(() => {
        fetched = null; // the line may be better next time
      });
    }
    return fetched;
  }

  function fetchScript() {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.onload = resolve;
      script.onerror = () => reject(failure("no_sdk", "the host's script is missing"));
      if (SDK) document.head.appendChild(Object.assign(script, { src: SDK }));
      else script.onerror();
    });
  }

  function register() {
    if (!registered) {
      registered = Promise.all([signed(page()), loaded()]).then(([one]) => {
        ww.register({
          corpId: one.corp_id,
          agentId: one.agent_id,
          jsApiList: APIS,
          getConfigSignature: signatureOf("signature"),
          getAgentConfigSignature: signatureOf("agent_signature"),
        });
      });
      registered.catch(() => {
        registered = null;
      });
    }
    return registered;
  }

  function ready() {
    return within(MACHINE, register().then(() => ww.ensureConfigReady()).then(() => undefined));
  }

  function call(ms, name, params) {
    return ready().then(() => within(ms, ww[name](params || {})));
  }

  function position() {
    return call(MACHINE, "getLocation", { type: "gcj02" }).then((found) => {
      const lat = Number(found.latitude);
      const lng = Number(found.longitude);
      if (!Number.isFinite(lat) || !Number.isFinite(lng)) throw failure("fail", "the client gave no position");
      return { lat, lng, accuracy: Number(found.accuracy) || 0, fixed_at: Date.now(), coordinate: "gcj02" };
    });
  }

  /* iOS cannot show a local id in an <img>, so the picture itself is asked for; where that is unknown, the id will do. */
  function preview(localId) {
    return within(MACHINE, ww.getLocalImgData({ localId })).then(
      (found) => {
        const data = String(found.localData || "").replace(/\s/g, "");
        return /^data:/.test(data) ? data.replace(/^data:image\/jgp/, "data:image/jpeg") : "data:image/jpeg;base64," + data;
      },
      () => localId
    );
  }

  async function keep(localId) {
    const shown = await preview(localId);
    const sent = await within(UPLOAD, ww.uploadImage({ localId, isShowProgressTips: false }));
    if (!sent.serverId) throw failure("fail", "the client did not upload the photo");
    return { media_id: String(sent.serverId), preview: shown };
  }

  function choosePhotos(max) {
    if (isDesktop) return Promise.resolve(null);
    const wanted = { count: Math.max(1, Math.min(9, max || 9)), sizeType: ["compressed"], sourceType: ["camera", "album"] };
    return call(PERSON, "chooseImage", wanted).then(async (chosen) => {
      const photos = [];
      for (const localId of chosen.localIds || []) photos.push(await keep(localId)); // the client takes one at a time
      return photos;
    });
  }

  function scan() {
    const wanted = { needResult: true, scanType: ["qrCode", "barCode"] };
    return call(PERSON, "scanQRCode", wanted).then((found) => String(found.resultStr || ""));
  }

  /* Record until `stop`, which gives the words. The sound stays on the phone. */
  function listen() {
    return call(MACHINE, "startRecord").then(() => ({
      stop: () => within(MACHINE, ww.stopRecord({}))
        .then((sound) => within(UPLOAD, ww.translateVoice({ localId: sound.localId, isShowProgressTips: false })))
        .then((heard) => String(heard.translateResult || "").trim()),
    }));
  }

  function pickMember(wanted) {
    const chosen = (wanted && wanted.chosen) || [];
    const asked = { fromDepartmentId: -1, mode: "single", type: ["user"], selectedUserIds: chosen, selectedDepartmentIds: [] };
    return call(PERSON, "selectEnterpriseContact", asked).then((found) => {
      const users = (found.result && found.result.userList) || [];
      return users.map((one) => String(one.id));
    });
  }

  function openProfile(userid) {
    return call(MACHINE, "openUserProfile", { type: 1, userid: String(userid) }).then(() => undefined);
  }

  function openMap(place) {
    const { lat, lng, name = "", address = "" } = place;
    return call(MACHINE, "openLocation", { latitude: lat, longitude: lng, name, address, scale: 16 }).then(() => undefined);
  }

  window.WsHost = {
    name: "wecom",
    // Numbers are dialled by their links, and the client shows the page's own title.
    can: { scan: !isDesktop, speech: !isDesktop, members: true, profile: true, call: false, close: true, title: false },
    ready,
    position,
    choosePhotos,
    scan,
    listen,
    pickMember,
    openProfile,
    call: () => Promise.reject(failure("unsupported")),
    openMap,
    close: () => call(MACHINE, "closeWindow").then(() => undefined),
    setTitle(title) {
      document.title = title; // the client shows the page's own title
    },
  };
})();
