/* What a scanned code says: the business cards that phones make (vCard, MECARD), or plain text. */

const LONGEST = 4000;

const unescape = (value) => value.replace(/\\n/gi, " ").replace(/\\([\\;,:])/g, "$1").trim();

/* Return {text} of any code; of a business card {organisation, name, phone} as well. */
export function readCode(raw) {
  const code = String(raw || "").slice(0, LONGEST).replace(/^(?:CODE_128|CODE_39|EAN_13|EAN_8|QR_CODE),/, "").trim();
  if (/^BEGIN:VCARD/i.test(code)) return vcard(code);
  if (/^MECARD:/i.test(code)) return mecard(code.slice(7));
  return { text: code };
}

function vcard(code) {
  const lines = code.replace(/\r?\n[ \t]/g, "").split(/\r?\n/);
  const value = (name) => {
    const line = lines.find((one) => new RegExp(`^(?:item\\d+\\.)?${name}[:;]`, "i").test(one));
    return line ? unescape(line.slice(line.indexOf(":") + 1)) : "";
  };
  const organisation = value("ORG").split(";")[0].trim();
  return { text: "", organisation, name: value("FN") || value("N").split(";").filter(Boolean).join(""), phone: value("TEL").replace(/^tel:/i, "") };
}

function mecard(code) {
  const fields = code.match(/(?:\\.|[^;\\])+/g) || [];
  const value = (name) => {
    const field = fields.find((one) => one.toUpperCase().startsWith(`${name}:`));
    return field ? unescape(field.slice(name.length + 1)) : "";
  };
  return { text: "", organisation: value("ORG"), name: value("N").replace(/,/g, ""), phone: value("TEL") };
}
