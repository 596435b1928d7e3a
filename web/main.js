/** Starts the page: shows what the address says. */
import { render } from "./vendor/preact.js";
import { html } from "./core/html.js";
import { start } from "./core/router.js";
import { App } from "./parts/layout.js";

const root = document.getElementById("app");
if (root) {
  await start();
  // The gateway's own text of the event has been read by now, or will be in a moment.
  root.replaceChildren();
  render(html`<${App} />`, root);
  void import("./core/focus.js").catch(() => {}); // the page works without it, too
}
