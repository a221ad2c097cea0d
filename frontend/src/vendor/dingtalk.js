/* The DingTalk client's script, cut down to the calls that the connector's host.js makes. Sets the global `dd`.
   Flat and three-part names of one call are both kept: old clients know the three-part ones only. */
import dd from "dingtalk-jsapi/dd";
import "dingtalk-jsapi/platform";
import { getENV } from "dingtalk-jsapi/lib/env";
import { close$ as navigationClose } from "dingtalk-jsapi/api/biz/navigation/close";
import { quit$ as navigationQuit } from "dingtalk-jsapi/api/biz/navigation/quit";
import { setTitle$ as navigationSetTitle } from "dingtalk-jsapi/api/biz/navigation/setTitle";
import { complexPicker$ as complexPicker } from "dingtalk-jsapi/api/biz/contact/complexPicker";
import { quickCallList$ as quickCallListOld } from "dingtalk-jsapi/api/biz/telephone/quickCallList";
import { open$ as openOld } from "dingtalk-jsapi/api/biz/util/open";
import { startRecord$ as startRecordOld } from "dingtalk-jsapi/api/device/audio/startRecord";
import { stopRecord$ as stopRecordOld } from "dingtalk-jsapi/api/device/audio/stopRecord";
import { translateVoice$ as translateVoiceOld } from "dingtalk-jsapi/api/device/audio/translateVoice";
import { view$ as mapView } from "dingtalk-jsapi/api/biz/map/view";
import { chooseImage$ as chooseImageOld } from "dingtalk-jsapi/api/biz/util/chooseImage";
import { openLink$ as openLinkOld } from "dingtalk-jsapi/api/biz/util/openLink";
import { scan$ as scanOld } from "dingtalk-jsapi/api/biz/util/scan";
import { uploadFile$ as uploadFileOld } from "dingtalk-jsapi/api/biz/util/uploadFile";
import { get$ as geolocationGet } from "dingtalk-jsapi/api/device/geolocation/get";
import { requestAuthCode$ as requestAuthCodeOld } from "dingtalk-jsapi/api/runtime/permission/requestAuthCode";
import { chooseImage$ as chooseImage } from "dingtalk-jsapi/api/union/chooseImage";
import { closePage$ as closePage } from "dingtalk-jsapi/api/union/closePage";
import { complexChoose$ as complexChoose } from "dingtalk-jsapi/api/union/complexChoose";
import { getLocation$ as getLocation } from "dingtalk-jsapi/api/union/getLocation";
import { openLink$ as openLink } from "dingtalk-jsapi/api/union/openLink";
import { openLocation$ as openLocation } from "dingtalk-jsapi/api/union/openLocation";
import { quickCallList$ as quickCallList } from "dingtalk-jsapi/api/union/quickCallList";
import { quitPage$ as quitPage } from "dingtalk-jsapi/api/union/quitPage";
import { requestAuthCode$ as requestAuthCode } from "dingtalk-jsapi/api/union/requestAuthCode";
import { scan$ as scan } from "dingtalk-jsapi/api/union/scan";
import { setNavigationTitle$ as setNavigationTitle } from "dingtalk-jsapi/api/union/setNavigationTitle";
import { startRecord$ as startRecord } from "dingtalk-jsapi/api/union/startRecord";
import { stopRecord$ as stopRecord } from "dingtalk-jsapi/api/union/stopRecord";
import { translateVoice$ as translateVoice } from "dingtalk-jsapi/api/union/translateVoice";
import { uploadFile$ as uploadFile } from "dingtalk-jsapi/api/union/uploadFile";

window.dd = Object.assign({}, dd, {
  env: dd.env || getENV(),
  chooseImage,
  closePage,
  complexChoose,
  getLocation,
  openLink,
  openLocation,
  quickCallList,
  quitPage,
  requestAuthCode,
  scan,
  setNavigationTitle,
  startRecord,
  stopRecord,
  translateVoice,
  uploadFile,
  device: {
    audio: { startRecord: startRecordOld, stopRecord: stopRecordOld, translateVoice: translateVoiceOld },
    geolocation: { get: geolocationGet },
  },
  runtime: { permission: { requestAuthCode: requestAuthCodeOld } },
  biz: {
    contact: { complexPicker },
    map: { view: mapView },
    navigation: { close: navigationClose, quit: navigationQuit, setTitle: navigationSetTitle },
    telephone: { quickCallList: quickCallListOld },
    util: { chooseImage: chooseImageOld, open: openOld, openLink: openLinkOld, scan: scanOld, uploadFile: uploadFileOld },
  },
});
