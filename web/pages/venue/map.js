/** The plan as a picture: sections are chosen and moved in it, by pointer or by arrow keys. */
import { useRef } from "../../vendor/hooks.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { frameOf, placed, placesOf, stageOf } from "./plan.js";

/** @typedef {import("./plan.js").Draft} Draft */
/** @typedef {import("./plan.js").Point} Point */
/** @typedef {{id: string, draft: Draft}} Drawn */

// More seats than that are drawn as rows, except in the section that is chosen.
const MOST_SEATS = 1500;
const STEPS = /** @type {Record<string, Point>} */ ({ ArrowLeft: { x: -1, y: 0 }, ArrowRight: { x: 1, y: 0 }, ArrowUp: { x: 0, y: -1 }, ArrowDown: { x: 0, y: 1 } });

/** @param {number} value */
const snapped = (value) => Math.round(value * 10) / 10;

/**
 * @param {{sections: Drawn[], focal: Point | null, chosen: string | null, onChoose: (id: string) => boolean, onMove: ((origin: Point) => void) | null, onStage: ((focal: Point) => void) | null}} props
 *   onChoose: says whether it may be chosen; onMove: moves the chosen one; onStage: moves the stage; null: nothing is changed
 */
export function PlanMap({ sections, focal, chosen, onChoose, onMove, onStage }) {
  const picture = useRef(/** @type {SVGSVGElement | null} */ (null));
  const grip = useRef(/** @type {{from: Point, origin: Point} | null} */ (null));
  const frame = useRef(/** @type {ReturnType<typeof frameOf> | null} */ (null));
  const seated = sections.filter(({ draft }) => draft.kind === "SEATED").map((one) => ({ ...one, rows: placed(one.draft.rows, one.draft.layout) }));
  const stage = focal ?? stageOf(seated.map(({ draft }) => draft.layout));
  const all = seated.reduce((sum, { draft }) => sum + placesOf(draft), 0);
  // While a section is dragged the picture stands still.
  if (!grip.current || !frame.current) frame.current = frameOf([{ x: stage.x, y: stage.y - 1 }, ...seated.flatMap(({ rows }) => rows.flatMap((row) => row.seats))]);
  const { x, y, width, height } = frame.current;
  const margin = 2;

  const at = (/** @type {PointerEvent} */ event) => {
    const matrix = picture.current?.getScreenCTM()?.inverse();
    if (!matrix) return { x: 0, y: 0 };
    return { x: matrix.a * event.clientX + matrix.e, y: matrix.d * event.clientY + matrix.f };
  };
  const begin = (/** @type {PointerEvent} */ event, /** @type {Drawn} */ of) => {
    if (!onChoose(of.id) || !onMove) return;
    const { x: left, y: top } = at(event);
    grip.current = { from: { x: left, y: top }, origin: of.draft.layout.origin };
    /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId);
  };
  const drag = (/** @type {PointerEvent} */ event, /** @type {string} */ id) => {
    if (!grip.current || id !== chosen) return;
    const { from, origin } = grip.current;
    const to = at(event);
    onMove?.({ x: snapped(origin.x + to.x - from.x), y: snapped(origin.y + to.y - from.y) });
  };
  const beginStage = (/** @type {PointerEvent} */ event) => {
    grip.current = { from: at(event), origin: stage };
    /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId);
  };
  const dragStage = (/** @type {PointerEvent} */ event) => {
    if (!grip.current) return;
    const { from, origin } = grip.current;
    const to = at(event);
    onStage?.({ x: snapped(origin.x + to.x - from.x), y: snapped(origin.y + to.y - from.y) });
  };
  const keyStage = (/** @type {KeyboardEvent} */ event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const by = event.shiftKey ? 0.1 : 1;
    onStage?.({ x: snapped(stage.x + step.x * by), y: snapped(stage.y + step.y * by) });
  };
  const key = (/** @type {KeyboardEvent} */ event, /** @type {Drawn} */ of) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onChoose(of.id);
    }
    const step = STEPS[event.key];
    if (!step || of.id !== chosen || !onMove) return;
    event.preventDefault();
    const by = event.shiftKey ? 0.1 : 1;
    const { origin } = of.draft.layout;
    onMove({ x: snapped(origin.x + step.x * by), y: snapped(origin.y + step.y * by) });
  };

  if (!seated.length) return html`<p class="muted">${t("No seats to draw yet.")}</p>`;
  return html`<svg ref=${picture} class="plan" role="group" aria-label=${t("Plan of the hall")} viewBox=${`${x - margin} ${y - margin} ${width + 2 * margin} ${height + 2 * margin}`}>
    ${seated.map(({ id, draft, rows }) => html`<g
      key=${id}
      class=${id === chosen ? "plan-section chosen" : "plan-section"}
      role="button"
      tabindex="0"
      aria-pressed=${id === chosen ? "true" : "false"}
      aria-label=${n(placesOf(draft), "{name}, {n} seat", "{name}, {n} seats", { name: draft.name })}
      onPointerDown=${(/** @type {PointerEvent} */ event) => begin(event, { id, draft })}
      onPointerMove=${(/** @type {PointerEvent} */ event) => drag(event, id)}
      onPointerUp=${() => (grip.current = null)}
      onPointerCancel=${() => (grip.current = null)}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => key(event, { id, draft })}
    >
      <${Ground} rows=${rows} />
      ${rows.map((row) => (id === chosen || all <= MOST_SEATS ? html`<${SeatRow} key=${row.label} row=${row} size=${sizeOf(draft)} />` : html`<polyline key=${row.label} points=${row.seats.map((seat) => `${seat.x},${seat.y}`).join(" ")} />`))}
    </g>`)}
    <g
      class=${onStage ? "plan-stage movable" : "plan-stage"}
      ...${onStage
        ? {
            role: "button",
            tabindex: "0",
            "aria-label": t("Stage, {x} to the right, {y} away", { x: format.number(stage.x), y: format.number(stage.y) }),
            onPointerDown: beginStage,
            onPointerMove: dragStage,
            onPointerUp: () => (grip.current = null),
            onPointerCancel: () => (grip.current = null),
            onKeyDown: keyStage,
          }
        : { "aria-hidden": "true" }}
    ><rect x=${stage.x - 3} y=${stage.y - 1.5} width="6" height="1" rx="0.3" /><text x=${stage.x} y=${stage.y - 1}>${t("Stage")}</text></g>
    ${seated.filter(({ id }) => id === chosen).map(({ draft, rows }) => html`<${Numbers} rows=${rows} size=${sizeOf(draft)} />`)}
  </svg>`;
}

/** A seat's radius. @param {Draft} draft */
const sizeOf = (draft) => draft.layout.seat_spacing * 0.42;

/** What a pointer takes hold of. @param {{rows: import("./plan.js").PlacedRow[]}} props */
function Ground({ rows }) {
  const { x, y, width, height } = frameOf(rows.flatMap((row) => row.seats));
  return html`<rect class="plan-ground" x=${x - 1.4} y=${y - 0.7} width=${width + 2.1} height=${height + 1.4} rx="0.4" />`;
}

/** @param {{row: import("./plan.js").PlacedRow, size: number}} props */
const SeatRow = ({ row, size }) => row.seats.map((seat) => html`<circle cx=${seat.x} cy=${seat.y} r=${size} />`);

/** What is printed on rows and seats. @param {{rows: import("./plan.js").PlacedRow[], size: number}} props */
function Numbers({ rows, size }) {
  return html`<g aria-hidden="true">${rows.map((row) => {
    const [first] = row.seats;
    return html`
      ${first && html`<text class="plan-label" x=${first.x - 2.2 * size} y=${first.y} font-size=${size * 1.2}>${row.label}</text>`}
      ${row.seats.map((seat) => html`<text class="plan-number" x=${seat.x} y=${seat.y} font-size=${size * 0.9}>${seat.number}</text>`)}
    `;
  })}</g>`;
}
