/** Templates: `html` makes Preact's elements of tagged text, so that no build step is needed. */
import htm from "../vendor/htm.js";
import { h } from "../vendor/preact.js";

/** @type {(strings: TemplateStringsArray, ...values: any[]) => import("preact").VNode<any>} */
export const html = /** @type {any} */ (htm).bind(h);
