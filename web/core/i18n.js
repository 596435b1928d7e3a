/**
 * The page's languages. The English text is its own key: `t("Find tickets")`. Nepali texts are in
 * `lang/ne/<area>.js`, which is loaded with the page that needs it.
 */
import { computed, effect, signal } from "../vendor/signals.js";
import { preference } from "./preferences.js";

const LANGUAGES = /** @type {const} */ (["en", "ne"]);

/** @type {"en" | "ne"} */
const browsers = navigator.languages?.some((tag) => tag.toLowerCase().startsWith("ne")) ? "ne" : "en";

export const language = preference("language", browsers, LANGUAGES);

/** For `Intl`: dates, numbers and money as the language writes them. */
export const locale = computed(() => (language.value === "ne" ? "ne-NP" : "en-GB"));

/** Nepali texts that are loaded, by the English ones. */
const texts = signal(/** @type {Readonly<Record<string, string>>} */ ({}));

const areas = new Set(["core"]);
const loaded = new Set();

/**
 * Has an area's texts ready, in the language that is chosen now or later.
 *
 * @param {string} area
 */
export async function load(area) {
  areas.add(area);
  if (language.value !== "ne") return;
  const missing = [...areas].filter((name) => !loaded.has(name));
  missing.forEach((name) => loaded.add(name));
  const parts = await Promise.all(
    missing.map((name) =>
      import(`../lang/ne/${name}.js`).then(
        (part) => part.default,
        () => {
          loaded.delete(name); // asked for again with the next page
          return {};
        },
      ),
    ),
  );
  if (parts.length) texts.value = Object.assign({}, texts.value, ...parts);
}

effect(() => {
  document.documentElement.lang = language.value;
  if (language.value === "ne") void load("core");
});

/**
 * The text in the language of the page.
 *
 * @param {string} text in English; `{name}` stands for a value
 * @param {Record<string, unknown>} [values]
 * @returns {string}
 */
export function t(text, values) {
  const told = (language.value === "ne" && texts.value[text]) || text;
  if (!values) return told;
  return told.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/**
 * The text for so many: `n(2, "{n} ticket", "{n} tickets")`. Nepali translates both.
 *
 * @param {number} count
 * @param {string} one
 * @param {string} other
 * @param {Record<string, unknown>} [values]
 */
export function n(count, one, other, values) {
  const form = new Intl.PluralRules("en").select(count) === "one" ? one : other;
  return t(form, { n: new Intl.NumberFormat(locale.value).format(count), ...values });
}
