/** What the gateway refuses, and a network that fails, as one kind of error. */
import { language, t } from "./i18n.js";

/**
 * A problem (RFC 9457) with the gateway's own members; `reason` is stable, `detail` is English.
 * A request that got no answer has the reason OFFLINE.
 */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {Record<string, any>} body
   * @param {number | null} retryAfter seconds
   */
  constructor(status, body, retryAfter = null) {
    super(body.detail || body.title || `${status}`);
    this.name = "Problem";
    this.status = status;
    this.body = body;
    /** @type {string} */
    this.reason = body.reason ?? "INTERNAL";
    /** @type {{field: string, message: string}[]} */
    this.errors = body.errors ?? [];
    /** @type {string | undefined} */
    this.requestId = body.request_id;
    this.retryAfter = retryAfter;
  }

  /** What an answer says. @param {Response} response */
  static async from(response) {
    const wait = Number(response.headers.get("retry-after"));
    let body = {};
    try {
      body = await response.clone().json();
    } catch {
      // A proxy in front may answer in other words.
    }
    return new Problem(response.status, body, Number.isFinite(wait) && wait > 0 ? wait : null);
  }

  static offline() {
    return new Problem(0, { reason: "OFFLINE" });
  }
}

/** In the page's own words, where they say more to a person than the API's. */
const WORDS = /** @type {Record<string, () => string>} */ ({
  OFFLINE: () => t("The network does not answer. Check your connection, then try again."),
  INTERNAL: () => t("Something went wrong on our side. Try again; nothing was charged twice."),
  OVERLOADED: () => t("Very many people are here right now. Try again in a moment."),
  SERVICE_UNAVAILABLE: () => t("A part of the box office is not available. Try again in a moment."),
  RATE_LIMITED: () => t("Those were too many requests. Wait a moment, then try again."),
  TOO_MANY_AT_ONCE: () => t("Those were too many requests. Wait a moment, then try again."),
  NOT_AUTHENTICATED: () => t("Log in first."),
  INVALID_CREDENTIALS: () => t("The address or the password is wrong."),
  LOGIN_THROTTLED: () => t("Too many failed log-ins. Wait a while, or set a new password."),
  SEATS_UNAVAILABLE: () => t("Somebody else was faster: these seats are taken."),
  NOT_ENOUGH_CAPACITY: () => t("There are not that many tickets left."),
  NO_ADJACENT_SEATS: () => t("There are not that many seats left side by side."),
  CUSTOMER_LIMIT: () => t("This is more than one person may buy for this event."),
  HOLD_LIMIT: () => t("You hold seats for two other events. Buy or release those first."),
  HOLD_EXPIRED: () => t("The time to buy these seats has run out. They are on sale again."),
  HOLD_EXTENSION_LIMIT: () => t("These seats can't be held any longer."),
  EVENT_NOT_ON_SALE: () => t("This event is not on sale."),
  SALES_CLOSED: () => t("The sale of this event is closed."),
  COUPON_UNKNOWN: () => t("This event has no such coupon code."),
  COUPON_NOT_VALID: () => t("This coupon is not valid now."),
  COUPON_USED_UP: () => t("This coupon has been used up."),
  CANCELLATION_CLOSED: () => t("It is too late to cancel this booking."),
});

/** What a person reads of it. @param {unknown} error @returns {string} */
export function wordsOf(error) {
  if (!(error instanceof Problem)) return t("Something went wrong. Load the page again.");
  const told = WORDS[error.reason];
  if (told && (language.value !== "en" || !error.body.detail || error.status >= 500 || !error.status)) return told();
  return error.body.detail || told?.() || error.body.title || t("Something went wrong. Try again.");
}

/** What is wrong with one field of a form, or "". @param {unknown} error @param {string} field */
export function faultOf(error, field) {
  if (!(error instanceof Problem)) return "";
  return error.errors.find((one) => one.field === field || one.field.endsWith(`.${field}`))?.message ?? "";
}
