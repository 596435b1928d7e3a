/** Starts the page: shows what the address says. */
import { render } from "./vendor/preact.js";
import { html } from "./core/html.js";
import { start } from "./core/router.js";
import { App } from "./parts/layout.js";

const root = document.getElementById("app");
if (root) {
  await start();
  // What the document shows stays where it is: its elements become those of the page.
  render(html`<${App} />`, root);
  void import("./core/focus.js").catch(() => {}); // the page works without it, too
}
