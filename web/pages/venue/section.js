/** The form of one section: its name, its rows and numbers, and how it is drawn. */
import { useState } from "../../vendor/hooks.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { Button, Card, Field, Note, Trouble } from "../../parts/ui.js";
import { nextLabel, numbered, placesOf, seatsOf, seatsText } from "./plan.js";

/** @typedef {import("./plan.js").Draft} Draft */
/** @typedef {import("./plan.js").Row} Row */
/** @typedef {import("./plan.js").Layout} Layout */

/**
 * @param {{draft: Draft, area: import("./plan.js").Area | null, isNew: boolean, isDirty: boolean, action: {busy: boolean, error: unknown, run: () => unknown}, onChange: (draft: Draft) => void, onPause: () => void, onLeave: () => void, onRemove: (() => void) | null}} props
 *   area: where people stand, drawn or not; onPause: a field was left; onRemove: null: it is not there yet
 */
export function SectionForm({ draft, area, isNew, isDirty, action, onChange, onPause, onLeave, onRemove }) {
  const set = (/** @type {Partial<Draft>} */ change) => onChange({ ...draft, ...change });
  const draw = (/** @type {Partial<Layout>} */ change) => set({ layout: { ...draft.layout, ...change } });
  const number = (/** @type {any} */ input) => Number(input.currentTarget.value) || 0;
  const { layout, rows } = draft;
  const isBare = draft.kind === "SEATED" && !rows.length;
  const [toldBare, setBare] = useState(false);
  const submit = (/** @type {SubmitEvent} */ submitted) => {
    submitted.preventDefault();
    setBare(isBare);
    return isBare ? undefined : action.run();
  };
  return html`<${Card} title=${isNew ? t("New section") : draft.name}>
    <form class="plan-form" onSubmit=${submit} onFocusOut=${onPause}>
      <div class="row">
        <${Field} label=${t("Name of the section")} name="section-name" maxlength="60" value=${draft.name} onInput=${(/** @type {any} */ input) => set({ name: input.currentTarget.value })} />
        ${isNew && html`<${Field} as="select" label=${t("Kind")} name="kind" value=${draft.kind} onChange=${(/** @type {any} */ change) => set({ kind: change.currentTarget.value })}>
          <option value="SEATED">${t("Numbered seats")}</option>
          <option value="STANDING">${t("Standing")}</option>
        <//>`}
        ${draft.kind === "STANDING" && html`<${Field} type="number" label=${t("Capacity")} name="capacity" min="1" max="200000" value=${draft.capacity} onInput=${(/** @type {any} */ input) => set({ capacity: number(input) })} />`}
      </div>
      ${draft.kind === "STANDING" && area && html`<fieldset><legend>${t("Layout")}</legend>
        <div class="row plan-area-fields">
          ${[
            { field: "x", label: t("Middle, to the right") },
            { field: "y", label: t("Middle, away from the stage") },
            { field: "width", label: t("Width"), least: 0.1 },
            { field: "height", label: t("Depth"), least: 0.1 },
          ].map(({ field, label, least = -10000 }) => html`<${Field} key=${field} type="number" step="any" min=${least} max="10000" label=${label} name=${`area-${field}`} value=${/** @type {any} */ (area)[field]} data-taken=${/** @type {any} */ (area)[field]} onChange=${(/** @type {any} */ input) => set({ area: { ...area, [field]: Math.max(least, number(input)) } })} />`)}
        </div>
        ${draft.area ? html`<p><${Button} onClick=${() => set({ area: null })}>${t("Place it automatically")}<//></p>` : html`<p class="hint">${t("Placed automatically: behind the seats and whatever is drawn there, as large as its people need. Move or size it to place it yourself.")}</p>`}
      </fieldset>`}
      ${draft.kind === "SEATED" && html`
        <fieldset><legend>${t("Layout")}</legend>
          <div class="row">
            <${Field} type="number" step="any" label=${t("Middle of the first row, to the right")} name="x" value=${layout.origin.x} onChange=${(/** @type {any} */ input) => draw({ origin: { ...layout.origin, x: number(input) } })} />
            <${Field} type="number" step="any" label=${t("Middle of the first row, away from the stage")} name="y" value=${layout.origin.y} onChange=${(/** @type {any} */ input) => draw({ origin: { ...layout.origin, y: number(input) } })} />
          </div>
          <div class="row">
            <${Field} type="number" step="any" min="0.1" max="100" label=${t("Row spacing")} name="row_spacing" value=${layout.row_spacing} onChange=${(/** @type {any} */ input) => draw({ row_spacing: number(input) || 1 })} />
            <${Field} type="number" step="any" min="0.1" max="100" label=${t("Seat spacing")} name="seat_spacing" value=${layout.seat_spacing} onChange=${(/** @type {any} */ input) => draw({ seat_spacing: number(input) || 1 })} />
            <${Field} type="number" step="any" label=${t("Curve towards the stage")} name="curve" value=${layout.curve} onChange=${(/** @type {any} */ input) => draw({ curve: number(input) })} />
          </div>
        </fieldset>
        <fieldset><legend>${t("Rows, front to back")}</legend>
          <p class="hint">${t("Seats from left to right, seen from the hall: 1..6, , 7..12. Nothing between two commas is a gap.")}</p>
          ${rows.map((row, at) => html`<${RowFields} key=${at} row=${row} onChange=${(/** @type {Row} */ changed) => set({ rows: rows.map((one, other) => (other === at ? changed : one)) })} onRemove=${() => set({ rows: rows.filter((_one, other) => other !== at) })} />`)}
          <${AddRows} last=${rows.at(-1)?.label ?? ""} onAdd=${(/** @type {Row[]} */ added) => set({ rows: [...rows, ...added] })} />
        </fieldset>`}
      <p role="status">${n(placesOf(draft), "{n} place", "{n} places")}</p>
      ${toldBare && isBare && html`<${Note} kind="bad">${t("The section has no rows yet. Add them first.")}<//>`}
      <${Trouble} error=${action.error} />
      <div class="actions">
        <${Button} kind="primary" type="submit" busy=${action.busy} disabled=${!isDirty}>${isNew ? t("Add the section") : t("Save the section")}<//>
        <${Button} onClick=${onLeave}>${isDirty ? t("Discard") : t("Close")}<//>
        ${onRemove && html`<${Button} kind="danger" onClick=${onRemove}>${t("Delete the section")}<//>`}
      </div>
    </form>
  <//>`;
}

/** @param {{row: Row, onChange: (row: Row) => void, onRemove: () => void}} props */
function RowFields({ row, onChange, onRemove }) {
  return html`<div class="row plan-row">
    <${Field} class="plan-row-label" label=${t("Row")} name="label" maxlength="10" value=${row.label} onInput=${(/** @type {any} */ input) => onChange({ ...row, label: input.currentTarget.value })} />
    <${Field} class="plan-row-seats" label=${t("Seats of row {row}", { row: row.label })} name="seats" value=${seatsText(row.seats)} data-taken=${seatsText(row.seats)} onChange=${(/** @type {any} */ input) => onChange({ ...row, seats: seatsOf(input.currentTarget.value) })} />
    <${Button} kind="quiet" onClick=${onRemove}>${t("Remove")}<span class="visually-hidden"> ${t("row {row}", { row: row.label })}</span><//>
  </div>`;
}

/** Many rows at once, numbered by a scheme. @param {{last: string, onAdd: (rows: Row[]) => void}} props */
function AddRows({ last, onAdd }) {
  const [scheme, setScheme] = useState({ count: 1, seats: 10, numbering: /** @type {import("./plan.js").Numbering} */ ("FORWARD"), start: 1, missing: "" });
  const set = (/** @type {Partial<typeof scheme>} */ change) => setScheme({ ...scheme, ...change });
  const number = (/** @type {any} */ input) => Math.max(0, Math.floor(Number(input.currentTarget.value) || 0));
  const add = () => {
    let label = last;
    const missing = scheme.missing.split(",").map((one) => one.trim());
    const seats = numbered({ count: Math.min(500, Math.max(1, scheme.seats)), numbering: scheme.numbering, start: scheme.start, missing });
    onAdd(Array.from({ length: Math.min(500, Math.max(1, scheme.count)) }, () => {
      label = label ? nextLabel(label) : "A";
      return { label, seats };
    }));
  };
  return html`<div role="group" aria-label=${t("More rows")} class="plan-add">
    <div class="row">
      <${Field} type="number" min="1" max="500" label=${t("Number of rows")} name="add-count" value=${scheme.count} onInput=${(/** @type {any} */ input) => set({ count: number(input) })} />
      <${Field} type="number" min="1" max="500" label=${t("Seats per row")} name="add-seats" value=${scheme.seats} onInput=${(/** @type {any} */ input) => set({ seats: number(input) })} />
      <${Field} as="select" label=${t("Numbering")} name="add-numbering" value=${scheme.numbering} onChange=${(/** @type {any} */ change) => set({ numbering: change.currentTarget.value })}>
        <option value="FORWARD">${t("1, 2, 3 from the left")}</option>
        <option value="BACKWARD">${t("1, 2, 3 from the right")}</option>
        <option value="ODD">${t("1, 3, 5")}</option>
        <option value="EVEN">${t("2, 4, 6")}</option>
      <//>
      <${Field} type="number" min="0" max="10000" label=${t("First number")} name="add-start" value=${scheme.start} onInput=${(/** @type {any} */ input) => set({ start: number(input) })} />
      <${Field} label=${t("Skipped numbers")} name="add-missing" optional=${true} value=${scheme.missing} hint=${t("Such as 5, 6 for an aisle.")} onInput=${(/** @type {any} */ input) => set({ missing: input.currentTarget.value })} />
    </div>
    <${Button} onClick=${add}>${n(scheme.count, "Add {n} row", "Add {n} rows")}<//>
  </div>`;
}
