/**
 * Dates and numbers in Nepali for browsers whose `Intl` has none (Chromium on many machines), which
 * would write them in English: stand-ins by the same names. Digits and the grouping of thousands are
 * those of Hindi in Devanagari, the words are our own, as CLDR has them.
 */

const HINDI = "hi-IN-u-nu-deva";
const MONTHS = ["जनवरी", "फेब्रुअरी", "मार्च", "अप्रिल", "मे", "जुन", "जुलाई", "अगस्ट", "सेप्टेम्बर", "अक्टोबर", "नोभेम्बर", "डिसेम्बर"];
const DAYS = ["आइत", "सोम", "मङ्गल", "बुध", "बिहि", "शुक्र", "शनि"];
const UNITS = /** @type {Record<string, string>} */ ({ day: "दिन", hour: "घण्टा", minute: "मिनेट" });

/** The first of each month of a year, and seven days that begin with a Sunday. */
const months = MONTHS.map((_, month) => new Date(Date.UTC(2023, month, 1)));
const days = DAYS.map((_, day) => new Date(Date.UTC(2023, 0, 1 + day)));

/** Nepali names by the Hindi ones, long and short. @param {Date[]} dates @param {string[]} names @param {"month" | "weekday"} part */
function named(dates, names, part) {
  const found = new Map();
  for (const width of /** @type {const} */ (["long", "short"])) {
    const format = new Intl.DateTimeFormat(HINDI, { [part]: width, day: part === "month" ? "numeric" : undefined, timeZone: "UTC" });
    dates.forEach((date, at) => found.set(format.formatToParts(date).find(({ type }) => type === part)?.value, names[at]));
  }
  return found;
}

const NAMES = /** @type {Record<string, Map<string, string>>} */ ({ month: named(months, MONTHS, "month"), weekday: named(days, DAYS, "weekday") });

class DateTimeFormat {
  /** @param {string} _locale @param {Intl.DateTimeFormatOptions} options */
  constructor(_locale, options) {
    this.hindi = new Intl.DateTimeFormat(HINDI, { ...options, ...((options.timeStyle || options.hour) && { hourCycle: "h23" }) });
  }

  /** @param {{type: string, value: string}[]} parts */
  #told(parts) {
    return parts.map(({ type, value }) => NAMES[type]?.get(value) ?? value).join("");
  }

  /** @param {Date} at */
  format(at) {
    return this.#told(this.hindi.formatToParts(at));
  }

  /** @param {Date} from @param {Date} to */
  formatRange(from, to) {
    return this.#told(this.hindi.formatRangeToParts(from, to));
  }
}

class NumberFormat extends Intl.NumberFormat {
  /** @param {string} _locale @param {Intl.NumberFormatOptions} options */
  constructor(_locale, options) {
    super(HINDI, options);
  }
}

class RelativeTimeFormat {
  /** @param {number} value @param {string} unit day, hour or minute */
  format(value, unit) {
    const words = `${new NumberFormat("", {}).format(Math.abs(value))} ${UNITS[unit]}`;
    return value < 0 ? `${words} पहिले` : `${words}मा`;
  }
}

export default { DateTimeFormat, NumberFormat, RelativeTimeFormat };
