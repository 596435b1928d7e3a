/** From an address to the page that shows it, without loading the document again. */
import { signal } from "../vendor/signals.js";
import { load as loadTexts } from "./i18n.js";
import { PAGES } from "../pages.js";

/**
 * @typedef {object} Page
 * @property {string} path with `:names` for what changes
 * @property {string} area whose texts and style sheet it needs
 * @property {() => Promise<{default: import("preact").ComponentType<any>}>} load
 * @property {readonly string[]} [beside] the modules that it needs, and the pages before it did not
 * @property {"CUSTOMER" | "ORGANIZER" | "ADMIN"} [role] who may see it; nobody must be, to see the others
 *
 * @typedef {object} Shown
 * @property {Page | null} page null: there is no such page
 * @property {Record<string, string>} params
 * @property {URLSearchParams} query
 * @property {import("preact").ComponentType<any> | null} component null: it could not be loaded
 * @property {unknown} [error] why not
 */

/** @type {import("@preact/signals").Signal<Shown | null>} */
export const shown = signal(null);
/** Whether another page is on its way. */
export const loading = signal(false);

/** @param {string} path @returns {{page: Page, params: Record<string, string>} | null} */
export function match(path) {
  const parts = path.replace(/\/+$/, "").split("/");
  for (const page of PAGES) {
    const wanted = page.path.replace(/\/+$/, "").split("/");
    if (wanted.length !== parts.length) continue;
    /** @type {Record<string, string>} */
    const params = {};
    const fits = wanted.every((part, at) => {
      const given = parts[at] ?? "";
      if (!part.startsWith(":")) return part === given;
      try {
        params[part.slice(1)] = decodeURIComponent(given);
      } catch {
        return false;
      }
      return given !== "";
    });
    if (fits) return { page, params };
  }
  return null;
}

/** The query with which whoever logs in or registers comes back to the page they are at. */
export function wayBack() {
  const { pathname, search } = location;
  if (/^\/(login|register|password-reset)$/.test(pathname)) return search;
  return pathname === "/" ? "" : `?next=${encodeURIComponent(pathname + search)}`;
}

/** Style sheets that only some pages need, by their names. @type {Map<string, Promise<void>>} */
const styled = new Map();

/** Has an area's style sheet ready. The page that was asked for first has it in its head. @param {string} area */
function style(area) {
  const { href } = new URL(`../styles/${area}.css`, import.meta.url);
  let ready = styled.get(href);
  if (!ready) {
    const isThere = [...document.styleSheets].some((sheet) => sheet.href === href);
    ready = isThere ? Promise.resolve() : added(href);
    styled.set(href, ready);
  }
  return ready;
}

/** @param {string} href @returns {Promise<void>} */
function added(href) {
  return new Promise((done) => {
    const link = linked("stylesheet", href);
    // A page without its style is better than none.
    link.onload = link.onerror = () => done();
  });
}

/** @param {string} rel @param {string} href */
function linked(rel, href) {
  const link = Object.assign(document.createElement("link"), { rel, href });
  document.head.append(link);
  return link;
}

let turn = 0;

async function show() {
  turn += 1;
  const mine = turn;
  const found = match(location.pathname);
  const query = new URLSearchParams(location.search);
  if (!found) {
    shown.value = { page: null, params: {}, query, component: null };
    return;
  }
  const { page, params } = found;
  const before = shown.value;
  if (before?.page === page && before.component) {
    shown.value = { ...before, params, query };
    return;
  }
  loading.value = true;
  page.beside?.forEach((name) => linked("modulepreload", new URL(`../${name}.js`, import.meta.url).href));
  try {
    const [module] = await Promise.all([page.load(), loadTexts(page.area), style(page.area)]);
    if (mine === turn) shown.value = { page, params, query, component: module.default };
  } catch (error) {
    if (mine === turn) shown.value = { page, params, query, component: null, error };
  } finally {
    if (mine === turn) loading.value = false;
  }
}

/** Told of the address that is wanted, while what is shown must not go without a word. @type {((address: string) => void) | null} */
let guard = null;

/** Has nothing else shown before `guarded` is told, who then navigates there, sure. @param {(address: string) => void} guarded @returns {() => void} ends it */
export function guardBy(guarded) {
  guard = guarded;
  return () => {
    if (guard === guarded) guard = null;
  };
}

/**
 * Goes to another address of this site.
 *
 * @param {string} address
 * @param {{replace?: boolean, keep?: boolean, sure?: boolean}} [how] replace: "back" does not come here again;
 *   keep: the view stays where it is scrolled to; sure: whatever is not saved
 */
export async function navigate(address, { replace = false, keep = false, sure = false } = {}) {
  if (guard && !sure) return guard(address);
  history[replace ? "replaceState" : "pushState"](null, "", address);
  if (await turned(keep)) scrollTo(0, 0);
}

let here = location.href;

/** Shows what the address says now. @param {boolean} [keep] the focus stays @returns {Promise<boolean>} whether it is another page */
async function turned(keep = false) {
  const before = new URL(here).pathname;
  here = location.href;
  await show();
  if (keep || before === location.pathname) return false;
  // So that who listens hears where they are.
  requestAnimationFrame(() => import("./focus.js").then(({ arrive }) => arrive(), () => {}));
  return true;
}

/** Changes the query of this address; empty values are left out. @param {Record<string, string | null | undefined>} values @param {{replace?: boolean}} [how] */
export function query(values, { replace = true } = {}) {
  const parameters = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value) parameters.set(name, value);
    else parameters.delete(name);
  }
  const text = parameters.toString();
  return navigate(location.pathname + (text && `?${text}`), { replace, keep: true });
}

/** @param {MouseEvent} click */
function onClick(click) {
  if (click.defaultPrevented || click.button !== 0 || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
  const link = /** @type {Element | null} */ (click.target)?.closest?.("a");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.getAttribute("href")?.startsWith("#")) return;
  if (!match(link.pathname)) return; // e.g. /api/docs: the gateway's own
  click.preventDefault();
  void navigate(link.href);
}

/** Shows the address of the document, and follows links from then on. */
export function start() {
  document.addEventListener("click", onClick);
  addEventListener("popstate", () => {
    if (!guard) return void turned();
    const wanted = location.href;
    history.pushState(null, "", here);
    guard(wanted);
  });
  return show();
}
