/* The DingTalk client's script, cut down to the calls that the connector's host.js makes. Sets the global `dd`.
   Flat and three-part names of one call are both kept: old clients know the three-part ones only. */
import dd from "dingtalk-jsapi/dd";
import "dingtalk-jsapi/platform";
import { getENV } from "dingtalk-jsapi/lib/env";
import { close$ as navigationClose } from "dingtalk-jsapi/api/biz/navigation/close";
import { quit$ as navigationQuit } from "dingtalk-jsapi/api/biz/navigation/quit";
import { setTitle$ as navigationSetTitle } from "dingtalk-jsapi/api/biz/navigation/setTitle";
import { view$ as mapView } from "dingtalk-jsapi/api/biz/map/view";
import { chooseImage$ as chooseImageOld } from "dingtalk-jsapi/api/biz/util/chooseImage";
import { openLink$ as openLinkOld } from "dingtalk-jsapi/api/biz/util/openLink";
import { scan$ as scanOld } from "dingtalk-jsapi/api/biz/util/scan";
import { uploadFile$ as uploadFileOld } from "dingtalk-jsapi/api/biz/util/uploadFile";
import { get$ as geolocationGet } from "dingtalk-jsapi/api/device/geolocation/get";
import { requestAuthCode$ as requestAuthCodeOld } from "dingtalk-jsapi/api/runtime/permission/requestAuthCode";
import { chooseImage$ as chooseImage } from "dingtalk-jsapi/api/union/chooseImage";
import { closePage$ as closePage } from "dingtalk-jsapi/api/union/closePage";
import { getLocation$ as getLocation } from "dingtalk-jsapi/api/union/getLocation";
import { openLink$ as openLink } from "dingtalk-jsapi/api/union/openLink";
import { openLocation$ as openLocation } from "dingtalk-jsapi/api/union/openLocation";
import { quitPage$ as quitPage } from "dingtalk-jsapi/api/union/quitPage";
import { requestAuthCode$ as requestAuthCode } from "dingtalk-jsapi/api/union/requestAuthCode";
import { scan$ as scan } from "dingtalk-jsapi/api/union/scan";
import { setNavigationTitle$ as setNavigationTitle } from "dingtalk-jsapi/api/union/setNavigationTitle";
import { uploadFile$ as uploadFile } from "dingtalk-jsapi/api/union/uploadFile";

window.dd = Object.assign({}, dd, {
  env: dd.env || getENV(),
  chooseImage,
  closePage,
  getLocation,
  openLink,
  openLocation,
  quitPage,
  requestAuthCode,
  scan,
  setNavigationTitle,
  uploadFile,
  device: { geolocation: { get: geolocationGet } },
  runtime: { permission: { requestAuthCode: requestAuthCodeOld } },
  biz: {
    map: { view: mapView },
    navigation: { close: navigationClose, quit: navigationQuit, setTitle: navigationSetTitle },
    util: { chooseImage: chooseImageOld, openLink: openLinkOld, scan: scanOld, uploadFile: uploadFileOld },
  },
});
