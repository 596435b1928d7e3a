/** The plan as a picture: sections are chosen and moved in it, by pointer or by arrow keys. */
import { useRef } from "../../vendor/hooks.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { areasOf, cornersOf, frameOf, placed, placesOf, stageOf } from "./plan.js";

/** @typedef {import("./plan.js").Draft} Draft */
/** @typedef {import("./plan.js").Point} Point */
/** @typedef {import("./plan.js").Area} Area */
/** @typedef {{id: string, draft: Draft}} Drawn */

// More seats than that are drawn as rows, except in the section that is chosen.
const MOST_SEATS = 1500;
const STEPS = /** @type {Record<string, Point>} */ ({ ArrowLeft: { x: -1, y: 0 }, ArrowRight: { x: 1, y: 0 }, ArrowUp: { x: 0, y: -1 }, ArrowDown: { x: 0, y: 1 } });

const SHORTEST = 0.1;
/** Of the picture: a hall of two seats does not fill it with its stage. */
const LEAST = { width: 16, height: 9 };

/** @param {number} value */
const snapped = (value) => Math.round(value * 10) / 10;

/** A section, and how many it holds, in words. @param {Draft} draft */
export const nameOf = (draft) =>
  draft.kind === "SEATED"
    ? n(placesOf(draft), "{name}, {n} seat", "{name}, {n} seats", { name: draft.name })
    : n(placesOf(draft), "{name}, {n} standing place", "{name}, {n} standing places", { name: draft.name });

/** Where a section is: its first row's middle, or its area's. @param {Draft} draft @param {Area | null} area @returns {Point} */
const originOf = (draft, area) => area ?? draft.layout.origin;

/** @param {Draft} draft @param {Area | null} area @param {Point} to @returns {Draft} */
function movedTo(draft, area, { x, y }) {
  const to = { x: snapped(x), y: snapped(y) };
  return area ? { ...draft, area: { ...area, ...to } } : { ...draft, layout: { ...draft.layout, origin: to } };
}

/** Its corner at the right and the back is moved; the one across stays. @param {Draft} draft @param {Area} area @param {Point} by @returns {Draft} */
function sized(draft, area, by) {
  const width = Math.max(SHORTEST, snapped(area.width + by.x));
  const height = Math.max(SHORTEST, snapped(area.height + by.y));
  const middle = (/** @type {number} */ at, /** @type {number} */ more) => Math.round((at + more / 2) * 1000) / 1000;
  return { ...draft, area: { x: middle(area.x, width - area.width), y: middle(area.y, height - area.height), width, height } };
}

/** @param {KeyboardEvent} event @returns {Point | null} how far an arrow key goes */
function stepOf(event) {
  const step = STEPS[event.key];
  if (!step) return null;
  event.preventDefault();
  const by = event.shiftKey ? 0.1 : 1;
  return { x: step.x * by, y: step.y * by };
}

/**
 * @param {{sections: Drawn[], focal: Point | null, chosen: string | null, onChoose: (id: string) => void, onDraw: ((draft: Draft, goesOn: boolean) => void) | null, onStage: ((focal: Point, goesOn: boolean) => void) | null}} props
 *   onDraw: the chosen one is moved, or sized, and perhaps goes on with what was begun; onStage: so is the stage; null: nothing
 *   is changed
 */
export function PlanMap({ sections, focal, chosen, onChoose, onDraw, onStage }) {
  const picture = useRef(/** @type {SVGSVGElement | null} */ (null));
  // What is dragged, from where, and as it was then.
  const grip = useRef(/** @type {{from: Point, origin: Point, area: Area | null, moved: boolean} | null} */ (null));
  const frame = useRef(/** @type {ReturnType<typeof frameOf> | null} */ (null));
  const seated = sections.filter(({ draft }) => draft.kind === "SEATED").map((one) => {
    const rows = placed(one.draft.rows, one.draft.layout);
    const seats = rows.flatMap((row) => row.seats);
    // One without rows is where its first row will be.
    return { ...one, rows, frame: frameOf(seats.length ? seats : [one.draft.layout.origin]) };
  });
  const areas = areasOf(sections.map(({ draft }) => draft), focal);
  const standing = sections.flatMap((one, at) => (areas[at] ? [{ ...one, area: areas[at] }] : []));
  const stage = focal ?? stageOf(seated.map(({ draft }) => draft.layout));
  const all = seated.reduce((sum, { draft }) => sum + placesOf(draft), 0);
  // While a section is dragged the picture stands still.
  if (!grip.current || !frame.current) frame.current = atLeast(frameOf([{ x: stage.x, y: stage.y - 1 }, ...seated.flatMap(({ frame: of }) => [of, { x: of.x + of.width, y: of.y + of.height }]), ...standing.flatMap(({ area }) => cornersOf(area))]));
  const { x, y, width, height } = frame.current;
  const margin = 2;
  const pixel = Math.max((width + 2 * margin) / (picture.current?.clientWidth || 600), (height + 2 * margin) / (picture.current?.clientHeight || 600));
  const grasp = 26 * pixel; // as large as a finger needs

  const at = (/** @type {PointerEvent} */ event) => {
    const matrix = picture.current?.getScreenCTM()?.inverse();
    if (!matrix) return { x: 0, y: 0 };
    return { x: matrix.a * event.clientX + matrix.e, y: matrix.d * event.clientY + matrix.f };
  };
  const hold = (/** @type {PointerEvent} */ event, /** @type {Point} */ origin, /** @type {Area | null} */ area = null) => {
    event.stopPropagation(); // the corner is in its section
    if (!event.isPrimary) return; // one finger moves; a second one is of no account
    grip.current = { from: at(event), origin, area, moved: false };
    /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId);
  };
  const held = (/** @type {PointerEvent} */ event) => (event.isPrimary ? grip.current : null);
  const release = (/** @type {PointerEvent} */ event) => {
    if (event.isPrimary) grip.current = null;
  };
  const begin = (/** @type {PointerEvent} */ event, /** @type {Drawn} */ of, /** @type {Area | null} */ area) => {
    if (!event.isPrimary) return;
    onChoose(of.id);
    if (onDraw) hold(event, originOf(of.draft, area), area);
  };
  /** One drag is one change. @param {Draft} draft */
  const draw = (draft) => {
    onDraw?.(draft, grip.current?.moved ?? false);
    if (grip.current) grip.current.moved = true;
  };
  const drag = (/** @type {PointerEvent} */ event, /** @type {Drawn} */ of) => {
    const grasp = held(event);
    if (!grasp || of.id !== chosen) return;
    const { from, origin, area } = grasp;
    const to = at(event);
    draw(movedTo(of.draft, area, { x: origin.x + to.x - from.x, y: origin.y + to.y - from.y }));
  };
  const dragCorner = (/** @type {PointerEvent} */ event, /** @type {Drawn} */ of) => {
    event.stopPropagation();
    const grasp = held(event);
    if (!grasp?.area) return;
    const { from, area } = grasp;
    const to = at(event);
    draw(sized(of.draft, area, { x: to.x - from.x, y: to.y - from.y }));
  };
  const keyCorner = (/** @type {KeyboardEvent} */ event, /** @type {Drawn} */ of, /** @type {Area} */ area) => {
    const step = stepOf(event);
    if (step) draw(sized(of.draft, area, step));
    event.stopPropagation();
  };
  const moveStage = (/** @type {Point} */ to) => {
    onStage?.({ x: snapped(to.x), y: snapped(to.y) }, grip.current?.moved ?? false);
    if (grip.current) grip.current.moved = true;
  };
  const beginStage = (/** @type {PointerEvent} */ event) => hold(event, stage);
  const dragStage = (/** @type {PointerEvent} */ event) => {
    const grasp = held(event);
    if (!grasp) return;
    const { from, origin } = grasp;
    const to = at(event);
    moveStage({ x: origin.x + to.x - from.x, y: origin.y + to.y - from.y });
  };
  const keyStage = (/** @type {KeyboardEvent} */ event) => {
    const step = stepOf(event);
    if (step) moveStage({ x: stage.x + step.x, y: stage.y + step.y });
  };
  const key = (/** @type {KeyboardEvent} */ event, /** @type {Drawn} */ of, /** @type {Area | null} */ area) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onChoose(of.id);
    }
    if (of.id !== chosen || !onDraw) return;
    const step = stepOf(event);
    if (!step) return;
    const { x: left, y: top } = originOf(of.draft, area);
    draw(movedTo(of.draft, area, { x: left + step.x, y: top + step.y }));
  };
  /** What all sections have. @param {Drawn} of @param {Area | null} area @param {string} kind */
  const section = (of, area, kind) => ({
    class: `plan-section ${kind}${of.id === chosen ? " chosen" : ""}`,
    role: "button",
    tabindex: "0",
    "aria-pressed": of.id === chosen ? "true" : "false",
    "aria-label": nameOf(of.draft),
    onPointerDown: (/** @type {PointerEvent} */ event) => begin(event, of, area),
    onPointerMove: (/** @type {PointerEvent} */ event) => drag(event, of),
    onPointerUp: release,
    onPointerCancel: release,
    onKeyDown: (/** @type {KeyboardEvent} */ event) => key(event, of, area),
  });

  if (!sections.length) return html`<p class="muted">${t("No seats to draw yet.")}</p>`;
  return html`<svg ref=${picture} class="plan" role="group" aria-label=${t("Plan of the hall")} viewBox=${`${x - margin} ${y - margin} ${width + 2 * margin} ${height + 2 * margin}`}>
    ${standing.map(({ id, draft, area }) => html`<g key=${id} ...${section({ id, draft }, area, "plan-area")}><rect class="plan-ground" x=${area.x - area.width / 2} y=${area.y - area.height / 2} width=${area.width} height=${area.height} rx=${Math.min(0.4, area.height / 4)} /></g>`)}
    ${seated.map(({ id, draft, rows, frame: of }) => html`<g key=${id} ...${section({ id, draft }, null, "plan-seats")}>
      <${Ground} frame=${of} />
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
            onPointerUp: release,
            onPointerCancel: release,
            onKeyDown: keyStage,
          }
        : { "aria-hidden": "true" }}
    ><rect x=${stage.x - 3} y=${stage.y - 1.5} width="6" height="1" rx="0.3" /><text x=${stage.x} y=${stage.y - 1}>${t("Stage")}</text></g>
    ${seated.filter(({ id }) => id === chosen).map(({ draft, rows }) => html`<${Numbers} rows=${rows} size=${sizeOf(draft)} />`)}
    <g aria-hidden="true">${seated.map(({ draft, frame: of }) => html`<text class="plan-label" x=${of.x + of.width / 2} y=${of.y + of.height + 1.3} font-size=${Math.min(1, 15 * pixel)}>${draft.name}</text>`)}</g>
    <g aria-hidden="true">${standing.map(({ draft, area }) => html`<${Words} draft=${draft} area=${area} most=${20 * pixel} />`)}</g>
    ${onDraw && standing.filter(({ id }) => id === chosen).map(({ id, draft, area }) => html`<rect
      key=${`${id} corner`}
      class="plan-corner"
      role="button"
      tabindex="0"
      aria-label=${t("Size of {name}: {width} wide, {height} deep", { name: draft.name, width: format.number(area.width), height: format.number(area.height) })}
      x=${area.x + area.width / 2 - grasp}
      y=${area.y + area.height / 2 - grasp}
      width=${grasp}
      height=${grasp}
      onPointerDown=${(/** @type {PointerEvent} */ event) => hold(event, area, area)}
      onPointerMove=${(/** @type {PointerEvent} */ event) => dragCorner(event, { id, draft })}
      onPointerUp=${release}
      onPointerCancel=${release}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => keyCorner(event, { id, draft }, area)}
    />`)}
  </svg>`;
}

/** What is written where people stand. @param {{draft: Draft, area: Area, most: number}} props most: of a letter */
function Words({ draft, area, most }) {
  const words = [draft.name, n(draft.capacity, "{n} person", "{n} people")];
  // Letters are about 0.6 of their size wide.
  const size = Math.min(most, area.height / 3.2, (area.width * 0.9) / (0.6 * Math.max(...words.map((word) => word.length), 1)));
  return words.map((word, line) => html`<text class=${line ? "" : "plan-label"} x=${area.x} y=${area.y + (line - 0.5) * size * 1.3} font-size=${size}>${word}</text>`);
}

/** A seat's radius. @param {Draft} draft */
const sizeOf = (draft) => draft.layout.seat_spacing * 0.42;

/** @param {ReturnType<typeof frameOf>} frame */
function atLeast({ x, y, width, height }) {
  const [wide, high] = [Math.max(width, LEAST.width), Math.max(height, LEAST.height)];
  return { x: x - (wide - width) / 2, y: y - (high - height) / 2, width: wide, height: high };
}

/** What a pointer takes hold of. @param {{frame: ReturnType<typeof frameOf>}} props */
function Ground({ frame: { x, y, width, height } }) {
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
