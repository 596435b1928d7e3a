/** Style sheets that only some pages need. */

/** @type {Map<string, Promise<void>>} */
const asked = new Map();

/**
 * Has a style sheet of `web/styles/` ready. The page that was asked for first has it in its head.
 *
 * @param {string} name
 */
export function style(name) {
  const address = new URL(`../styles/${name}`, import.meta.url).href;
  let ready = asked.get(address);
  if (!ready) {
    const there = [...document.styleSheets].some((sheet) => sheet.href === address);
    ready = there ? Promise.resolve() : added(address);
    asked.set(address, ready);
  }
  return ready;
}

/** @param {string} address @returns {Promise<void>} */
function added(address) {
  return new Promise((done) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: address });
    // A page without its style is better than none.
    link.onload = link.onerror = () => done();
    document.head.append(link);
  });
}
