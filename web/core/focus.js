/**
 * Keeps the focus in the page. Where what has it goes, is shut or is switched off, browsers put the
 * focus back to the document's beginning, where nobody who works by keys or listens wants to be.
 */

/** Parts of a page where somebody goes on whose place is gone, the nearest first. */
const PARTS = "[role=group], [role=tabpanel], fieldset, section, article, dialog, main";
/** A page's own effects move the focus first. */
const SETTLE_MILLISECONDS = 50;

/** What has the focus, with everything around it, from within. @type {Element[]} */
let place = [];
/** The same of what had it last outside of dialogs. @type {Element[]} */
let outside = [];
/** Whether the page that somebody went to has no heading yet. */
let arriving = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {Element} element */
const isThere = (element) => element.isConnected && element.checkVisibility() && !element.matches(":disabled, [inert] *");

/** @param {Element} element */
function put(element) {
  if (!(element instanceof HTMLElement)) return;
  if (!element.hasAttribute("tabindex")) element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

/** Has who went to another page hear where they are, as soon as it has a heading. */
export function arrive() {
  arriving = true;
  seek();
}

function seek() {
  const main = document.querySelector("main");
  const heading = main?.querySelector("h1");
  if (heading) put(heading);
  else if (main) put(main);
  arriving = !heading;
}

function look() {
  timer = undefined;
  const now = document.activeElement ?? document.body;
  if (arriving && (now === document.body || now.localName === "main")) {
    seek();
    return;
  }
  if (now !== document.body && isThere(now)) return;
  const [last] = place;
  if (!last || isThere(last)) return; // who clicked beside everything wants it nowhere
  const isShut = place.some((element) => element.localName === "dialog" && !isThere(element));
  const [opener] = outside;
  if (isShut && opener && isThere(opener)) {
    put(opener);
    return;
  }
  const part = (isShut ? outside : place).find((element) => element.matches(PARTS) && isThere(element)) ?? document.querySelector("main");
  if (!part) return;
  const heading = part.matches("[role]") ? null : part.querySelector("h1, h2, h3, legend");
  put(heading && isThere(heading) ? heading : part);
  document.activeElement?.scrollIntoView({ block: "nearest" });
}

function onFocus(/** @type {FocusEvent} */ { target }) {
  place = [];
  for (let element = /** @type {Element | null} */ (target); element; element = element.parentElement) place.push(element);
  if (!place.some((element) => element.localName === "dialog")) outside = place;
  if (place[0]?.localName !== "main") arriving = false;
}

document.addEventListener("focusin", onFocus);
new MutationObserver(() => {
  timer ??= setTimeout(look, SETTLE_MILLISECONDS);
}).observe(document.body, { subtree: true, childList: true, attributeFilter: ["disabled", "open", "hidden", "inert"] });
