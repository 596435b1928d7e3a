/** What browsers suggest while somebody types: the names they know themselves. */
import { html } from "../core/html.js";

/** @param {{id: string, of: "timeZone" | "currency"}} props id: what the field's `list` says */
export function Suggestions({ id, of }) {
  const known = /** @type {any} */ (Intl).supportedValuesOf?.(of) ?? [];
  return html`<datalist id=${id}>${known.map((/** @type {string} */ one) => html`<option key=${one} value=${one}></option>`)}</datalist>`;
}
