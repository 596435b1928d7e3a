/** The choices that a browser remembers: nothing else is kept in it. */
import { effect, signal } from "../vendor/signals.js";

/**
 * A choice that outlives the page; where the browser keeps nothing, it lasts as long as the page.
 *
 * @template {string} T
 * @param {string} name
 * @param {T} usual
 * @param {readonly T[]} allowed
 * @returns {import("@preact/signals").Signal<T>}
 */
export function preference(name, usual, allowed) {
  const key = `parterre.${name}`;
  let kept = null;
  try {
    kept = localStorage.getItem(key);
  } catch {
    // Storage may be forbidden.
  }
  const known = allowed.find((value) => value === kept);
  const choice = signal(known ?? usual);
  let first = true;
  effect(() => {
    const value = choice.value;
    if (first) {
      first = false;
      return;
    }
    try {
      localStorage.setItem(key, value);
    } catch {
      // As above.
    }
  });
  return choice;
}

/** "system": as the machine is set. */
export const theme = preference("theme", "system", /** @type {const} */ (["system", "light", "dark"]));

effect(() => {
  const root = document.documentElement;
  if (theme.value === "system") delete root.dataset.theme;
  else root.dataset.theme = theme.value;
});
