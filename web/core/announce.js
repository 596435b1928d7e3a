/** Says something to who listens to the page instead of looking at it. */

/** @type {HTMLElement | null} */
let polite = null;

/** @param {string} text */
export function announce(text) {
  if (!polite) {
    polite = document.createElement("div");
    polite.className = "visually-hidden";
    polite.setAttribute("role", "status");
    polite.setAttribute("aria-live", "polite");
    document.body.append(polite);
  }
  polite.textContent = "";
  const region = polite;
  // An unchanged text would not be read again.
  requestAnimationFrame(() => {
    region.textContent = text;
  });
}
