/**
 * The page's languages. The English text is its own key: `t("Find tickets")`. Nepali texts are in
 * `lang/ne/<area>.js`, which is loaded with the page that needs it.
 */
import { computed, effect, signal } from "../vendor/signals.js";
import { preference } from "./preferences.js";

const LANGUAGES = /** @type {const} */ (["en", "ne"]);

/** As theme.js has it: what was chosen, else what the browser is set to. */
export const language = preference("language", document.documentElement.lang === "ne" ? "ne" : "en", LANGUAGES);

/** For `Intl`: dates, numbers and money as the language writes them. */
export const locale = computed(() => (language.value === "ne" ? "ne-NP" : "en-GB"));

/** What writes dates and numbers in the place of `Intl`; empty: `Intl` itself, which knows the language. */
export const writers = signal(/** @type {Record<string, any>} */ ({}));

/** Whether the browser writes Nepali by itself. */
const knowsNepali = Intl.DateTimeFormat.supportedLocalesOf("ne").length > 0;

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
  const written = knowsNepali || writers.peek().NumberFormat ? null : import("./nepali.js").then((made) => (writers.value = made.default), () => {}); // else in English
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
  await written;
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

/** @type {Map<string, any>} */
const made = new Map();

/**
 * Writes in the language of the page; made once, since making one takes long.
 *
 * @template T
 * @param {new (locale: string, options: any) => T} Kind of `Intl`
 * @param {object} options
 * @returns {T}
 */
export function formatter(Kind, options) {
  const Writer = (language.value === "ne" && writers.value[Kind.name]) || Kind;
  const key = `${Kind.name} ${Writer === Kind} ${locale.value} ${JSON.stringify(options)}`;
  let one = made.get(key);
  if (!one) {
    one = new Writer(locale.value, options);
    made.set(key, one);
  }
  return one;
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
  return t(form, { n: formatter(Intl.NumberFormat, {}).format(count), ...values });
}
