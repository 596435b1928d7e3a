/** The hall as a list: section, rows, seats. The same seats and the same choice as on the map. */
import { useRef, useState } from "../../vendor/hooks.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { Field } from "../../parts/ui.js";
import { FREE, HELD } from "./hall.js";

/** @typedef {import("./hall.js").Hall} Hall */
/** @typedef {import("./view.js").Look} Look */

/** More rows are shown a part at a time. */
const ROWS_SHOWN = 20;

/** A seat's state as a sign. @param {Hall} hall @param {Look} look @param {number} seat */
function signOf(hall, look, seat) {
  if (look.mine.has(seat)) return "✓";
  if (look.pending.has(seat)) return "…";
  const state = hall.state[seat];
  return state === FREE ? "●" : state === HELD ? "◔" : "×";
}

/**
 * @param {{hall: Hall, look: Look, label: (seat: number) => string, onPick: (seat: number) => void}} props
 */
export function SeatList({ hall, look, label, onPick }) {
  const shown = hall.sections.map((section, index) => ({ section, index })).filter(({ section }) => look.isShown(section.tier));
  const [chosen, setChosen] = useState(-1);
  const [from, setFrom] = useState(0);
  const current = shown.find(({ index }) => index === chosen) ?? shown[0];
  if (!current) return html`<p>${t("No section has seats at these prices.")}</p>`;
  const { section } = current;
  const count = section.endRow - section.firstRow;
  const first = section.firstRow + (from < count ? from : 0);
  const last = Math.min(first + ROWS_SHOWN, section.endRow);
  const parts = Array.from({ length: Math.ceil(count / ROWS_SHOWN) }, (_, part) => part * ROWS_SHOWN);
  const rowName = (/** @type {number} */ row) => hall.row(row).label;
  return html`
    <div class="row">
      <${Field} label=${t("Section")} name="list-section" as="select" value=${String(current.index)} onChange=${(/** @type {any} */ event) => {
        setChosen(Number(event.currentTarget.value));
        setFrom(0);
      }}>
        ${shown.map(({ section: each, index }) => html`<option value=${String(index)}>${each.name}: ${n(hall.free(each.first, each.end), "{n} left", "{n} left")}</option>`)}
      <//>
      ${parts.length > 1 && html`<${Field} label=${t("Rows")} name="list-rows" as="select" value=${String(first - section.firstRow)} onChange=${(/** @type {any} */ event) => setFrom(Number(event.currentTarget.value))}>
        ${parts.map((part) => html`<option value=${String(part)}>${rowName(section.firstRow + part)} – ${rowName(Math.min(section.firstRow + part + ROWS_SHOWN, section.endRow) - 1)}</option>`)}
      <//>`}
    </div>
    <${Rows} key=${`${current.index} ${first}`} hall=${hall} look=${look} label=${label} onPick=${onPick} name=${section.name} first=${first} last=${last} />
  `;
}

/**
 * @param {{hall: Hall, look: Look, label: (seat: number) => string, onPick: (seat: number) => void, name: string, first: number, last: number}} props
 *   rows from `first` to before `last`
 */
function Rows({ hall, look, label, onPick, name, first, last }) {
  const grid = useRef(/** @type {HTMLElement | null} */ (null));
  const [at, setAt] = useState(hall.row(first).first);
  const rows = Array.from({ length: last - first }, (_, index) => hall.row(first + index));

  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const to = nextOf(hall, rows, at, event);
    if (to === undefined) return;
    event.preventDefault();
    setAt(to);
    requestAnimationFrame(() => /** @type {HTMLElement | null} */ (grid.current?.querySelector(`[data-seat="${to}"]`))?.focus());
  };

  return html`<div class="seat-rows" role="grid" aria-label=${t("Seats of {section}", { section: name })} ref=${grid} onKeyDown=${onKeyDown}>
    ${rows.map((row) => html`<div role="row" class="seat-row" key=${row.first}>
      <span role="rowheader" class="seat-row-name"><span class="visually-hidden">${t("Row")} </span>${row.label}</span>
      ${Array.from({ length: row.end - row.first }, (_, index) => row.first + index).map((seat) => html`<span role="gridcell" key=${seat}>
        <button
          type="button"
          class=${`seat ${look.mine.has(seat) ? "seat-mine" : hall.isFree(seat) ? "seat-free" : "seat-taken"}`}
          data-seat=${seat}
          tabindex=${seat === at ? 0 : -1}
          aria-label=${label(seat)}
          aria-pressed=${look.mine.has(seat) ? "true" : "false"}
          aria-disabled=${hall.isFree(seat) || look.mine.has(seat) ? undefined : "true"}
          onFocus=${() => setAt(seat)}
          onClick=${() => onPick(seat)}
        ><span aria-hidden="true">${signOf(hall, look, seat)}</span>${hall.numbers[seat]}</button>
      </span>`)}
    </div>`)}
  </div>`;
}

/** Where a key leads to from a seat. @param {Hall} hall @param {import("./hall.js").Row[]} rows @param {number} seat @param {KeyboardEvent} event @returns {number | undefined} */
function nextOf(hall, rows, seat, event) {
  const row = hall.rowOfSeat(seat);
  const line = rows.indexOf(row);
  const column = seat - row.first;
  const of = (/** @type {import("./hall.js").Row | undefined} */ other) => (other ? Math.min(other.first + column, other.end - 1) : seat);
  switch (event.key) {
    case "ArrowLeft":
      return Math.max(row.first, seat - 1);
    case "ArrowRight":
      return Math.min(row.end - 1, seat + 1);
    case "ArrowUp":
      return of(rows[line - 1]);
    case "ArrowDown":
      return of(rows[line + 1]);
    case "Home":
      return event.ctrlKey ? rows[0]?.first : row.first;
    case "End":
      return event.ctrlKey ? (rows.at(-1)?.end ?? 1) - 1 : row.end - 1;
    default:
      return undefined;
  }
}
