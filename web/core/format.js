/** Dates, money and numbers in words, by `Intl`, in the language of the page. */
import { formatter, t } from "./i18n.js";

/** @typedef {import("api").components["schemas"]["Money"]} Amount */

/**
 * Where the minor unit of a currency has other digits by ISO 4217, by which amounts are counted as in
 * presentation/amounts.py, than are customary in shops (CLDR), which browsers say.
 *
 * @type {Readonly<Record<string, number>>}
 */
const ISO = {
  AFN: 2, ALL: 2, COP: 2, HUF: 2, IDR: 2, IQD: 3, IRR: 2, KPW: 2, LAK: 2, LBP: 2,
  MGA: 2, MMK: 2, PKR: 2, SOS: 2, SYP: 2, TMM: 2, YER: 2, ZMK: 2,
};

/** @type {Map<string, number>} */
const known = new Map();

/**
 * How many digits of a currency's minor unit there are: 2 for NPR, 0 for JPY.
 *
 * @param {string} currency
 */
export function digits(currency) {
  let places = known.get(currency);
  if (places === undefined) {
    places = ISO[currency] ?? new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;
    known.set(currency, places);
  }
  return places;
}

/**
 * An amount of money; whole amounts are told without ".00".
 *
 * @param {Amount} amount in minor units
 */
export function money({ amount, currency }) {
  const places = digits(currency);
  const whole = amount % 10 ** places === 0;
  const shown = whole ? 0 : places;
  const options = { style: "currency", currency, minimumFractionDigits: shown, maximumFractionDigits: shown };
  return formatter(Intl.NumberFormat, options).format(amount / 10 ** places);
}

/** @param {number} value @param {Intl.NumberFormatOptions} [options] */
export function number(value, options = {}) {
  return formatter(Intl.NumberFormat, options).format(value);
}

/**
 * A time in words.
 *
 * @param {string | number | Date} at
 * @param {string | undefined} zone IANA's; undefined: the reader's own
 * @param {Intl.DateTimeFormatOptions} [options]
 */
export function time(at, zone, options = { dateStyle: "medium", timeStyle: "short" }) {
  return formatter(Intl.DateTimeFormat, { ...options, timeZone: zone }).format(new Date(at));
}

/** A day, with its weekday. @param {string} at @param {string} [zone] */
export function day(at, zone) {
  return time(at, zone, { weekday: "short", day: "numeric", month: "short", year: "numeric" });
}

/** @param {string} at @param {string} [zone] */
export function clock(at, zone) {
  return time(at, zone, { hour: "numeric", minute: "2-digit" });
}

/** From one time to another; the day is told once if it is the same. @param {string} from @param {string} to @param {string} zone */
export function span(from, to, zone) {
  const options = { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "numeric", minute: "2-digit", timeZone: zone };
  return formatter(Intl.DateTimeFormat, options).formatRange(new Date(from), new Date(to));
}

/** A zone's short name, e.g. "GMT+5:45", where the reader's clock shows another time. @param {string} at_ @param {string} zone */
export function foreignZone(at_, zone) {
  const at = new Date(at_);
  const options = /** @type {Intl.DateTimeFormatOptions} */ ({ timeZoneName: "short" });
  const there = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone, hour: "numeric", minute: "numeric" });
  const here = new Intl.DateTimeFormat("en-GB", { hour: "numeric", minute: "numeric" });
  const nameOf = there.formatToParts(at).find((part) => part.type === "timeZoneName")?.value ?? zone;
  const clockOf = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "numeric", minute: "numeric" });
  return clockOf.format(at) === here.format(at) ? "" : nameOf;
}

/** How long ago, or until. @param {string} at @param {number} now milliseconds */
export function relative(at, now) {
  const seconds = (new Date(at).getTime() - now) / 1000;
  const format = formatter(Intl.RelativeTimeFormat, { numeric: "auto" });
  for (const [unit, length] of /** @type {const} */ ([["day", 86400], ["hour", 3600], ["minute", 60]])) {
    if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit);
  }
  return t("just now");
}

/** A duration as minutes and seconds, e.g. "9:05". @param {number} seconds */
export function countdown(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  return `${number(Math.floor(left / 60))}:${number(left % 60, { minimumIntegerDigits: 2 })}`;
}
