/** Tickets, verified without asking anybody. booking_service/tickets.py says what a token is made of. */

const LAYOUT = 1;
const HEAD_BYTES = 1 + 8 + 16 + 16 + 2;
const LONGEST_TOKEN = 300;

/**
 * @typedef {object} Claims
 * @property {string} ticketId
 * @property {string} eventId
 * @property {string} seat "" where people stand
 * @property {number} version
 *
 * @typedef {{kid: string, x: string}} Key
 */

/** @param {string} text @returns {Uint8Array<ArrayBuffer> | null} null: it is no base64url, or not the only spelling of it */
function bytesOf(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(raw, (character) => character.charCodeAt(0));
  const again = btoa(raw).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return again === text ? bytes : null;
}

/** @param {Uint8Array} bytes */
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {Uint8Array} bytes */
const uuid = (bytes) => hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

/** Whether this browser can verify signatures of tickets by itself. */
export async function canVerify() {
  try {
    await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
    return true;
  } catch {
    return false;
  }
}

/**
 * What a token says, if one of the keys has signed it; else null.
 *
 * @param {string} token
 * @param {readonly Key[]} keys
 * @returns {Promise<Claims | null>}
 */
export async function verify(token, keys) {
  if (token.length > LONGEST_TOKEN) return null;
  const [bodyText = "", signatureText = "", ...rest] = token.split(".");
  const body = bytesOf(bodyText);
  const signature = bytesOf(signatureText);
  if (!body || !signature || rest.length || body.length < HEAD_BYTES || body[0] !== LAYOUT) return null;
  const key = keys.find((one) => one.kid === hex(body.subarray(1, 9)));
  const raw = key && bytesOf(key.x);
  if (!raw) return null;
  const imported = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  if (!(await crypto.subtle.verify("Ed25519", imported, signature, body))) return null;
  return {
    ticketId: uuid(body.subarray(9, 25)),
    eventId: uuid(body.subarray(25, 41)),
    version: new DataView(body.buffer).getUint16(41),
    seat: new TextDecoder().decode(body.subarray(HEAD_BYTES)),
  };
}
