/** Seats of and for other programs: pretix's plan as JSON, and tables as CSV. */
import { useState } from "../../vendor/hooks.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { Button, Card, Field, Note, Trouble } from "../../parts/ui.js";
import { fromCsv, toCsv } from "./csv.js";
import { nameOf } from "./map.js";
import { fromPretix, toPretix } from "./pretix.js";

/** @typedef {import("./plan.js").Draft} Draft */

const MOST_BYTES = 20_000_000;

/** Hands text to the browser as a file. @param {string} text @param {string} kind @param {string} name */
function hand(text, kind, name) {
  const address = URL.createObjectURL(new Blob([text], { type: kind }));
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** @param {unknown} error */
function faultWords(error) {
  const text = error instanceof Error ? error.message : "";
  if (text === "MISSING_COLUMNS") return t("The first line must name the columns section, row and seat; x and y may be there, too.");
  if (text.startsWith("BAD_NUMBER:")) return t("Line {line}: x and y must be numbers, and so must capacity, width and height where people stand.", { line: text.slice("BAD_NUMBER:".length) });
  if (text === "TOO_LARGE") return t("The file has more than 20 MB.");
  return t("This is neither a plan of pretix nor a table with seats.");
}

/** @param {{name: string, sections: Draft[], there: Draft[], take: ((drafts: Draft[]) => Promise<void>) | null}} props sections: drawn as they are, also where nobody drew them; there: as they were drawn; take: adds sections, or replaces those of the same name; null: it can't be changed */
export function Exchange({ name, sections, there, take }) {
  const [found, setFound] = useState(/** @type {Draft[]} */ ([]));
  const [fault, setFault] = useState("");
  const adopt = useAction(async () => {
    await take?.(found);
    setFound([]);
  });
  const read = async (/** @type {any} */ change) => {
    const [file] = change.currentTarget.files;
    setFault("");
    setFound([]);
    adopt.clear();
    if (!file) return;
    try {
      if (file.size > MOST_BYTES) throw new Error("TOO_LARGE");
      const text = await file.text();
      setFound(/^\s*\{/.test(text) ? fromPretix(JSON.parse(text), there) : fromCsv(text));
    } catch (error) {
      setFault(faultWords(error));
    }
  };
  const known = new Set(sections.map((section) => section.name));
  return html`<${Card} title=${t("Import and export")}>
    <div class="actions">
      <${Button} onClick=${() => hand(JSON.stringify(toPretix(name, sections), null, 1), "application/json", "seating-plan.json")}>${t("Export as a pretix seating plan")}<//>
      <${Button} onClick=${() => hand(toCsv(sections), "text/csv", "seats.csv")}>${t("Export the seats as CSV")}<//>
    </div>
    ${sections.some(({ kind }) => kind === "STANDING") && html`<p class="small muted">${t("CSV keeps where people stand. pretix counts seats alone: its plan shows standing sections as shapes with their names, which are not imported again.")}</p>`}
    ${take && html`
      <${Field} type="file" label=${t("Import seats from a file")} name="plan" optional=${true} accept=".json,.csv,application/json,text/csv" onChange=${read} hint=${t("A pretix seating plan (JSON), or CSV with the columns section, row, seat, x, y (where people stand section, capacity, x, y, width, height). Rows here are straight or curved, so free-form plans look similar, not identical; all seats and numbers are kept.")} />
      ${fault && html`<${Note} kind="bad">${fault}<//>`}
      ${found.length > 0 && html`<div role="status">
        <p>${t("The file has these sections:")}</p>
        <ul>${found.map((draft) => html`<li>${nameOf(draft)}${known.has(draft.name) && ` · ${t("takes the place of the one there")}`}</li>`)}</ul>
        <${Trouble} error=${adopt.error} />
        <${Button} kind="primary" busy=${adopt.busy} onClick=${() => adopt.run()}>${t("Import them")}<//>
      </div>`}`}
  <//>`;
}
