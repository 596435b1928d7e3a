/** The plan of a hall: where each seat stands. Everything here is pure; catalog_service/domain/venues.py has the rules. */

/** @typedef {import("api").components["schemas"]["Section"]} Section */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {{origin: Point, row_spacing: number, seat_spacing: number, curve: number}} Layout */
/** @typedef {{label: string, seats: string[]}} Row seats side by side; an empty one is a gap */
/** @typedef {{number: string, x: number, y: number}} Seat */
/** @typedef {{label: string, seats: Seat[]}} PlacedRow */
/** @typedef {{x: number, y: number, width: number, height: number}} Area a rectangle by its middle */
/** @typedef {{name: string, kind: "SEATED" | "STANDING", rows: Row[], layout: Layout, capacity: number, area: Area | null}} Draft area: where people stand; null: where there is room */
/** @typedef {"FORWARD" | "BACKWARD" | "ODD" | "EVEN"} Numbering */

/** @type {() => Layout} */
export const usualLayout = () => ({ origin: { x: 0, y: 0 }, row_spacing: 1, seat_spacing: 1, curve: 0 });

/** @param {number} value */
export const rounded = (value) => Math.round(value * 1000) / 1000;

/** @param {number[]} values @param {number} otherwise */
function median(values, otherwise) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? otherwise;
}

/** A section as the API has it, for changing it. @param {Section} section @returns {Draft} */
export function draftOf(section) {
  const rows = (section.rows ?? []).map(({ label, seats }) => ({ label, seats }));
  const area = section.area_is_default ? null : section.area;
  return { name: section.name, kind: section.kind, rows, layout: section.layout ?? usualLayout(), capacity: section.capacity, area };
}

/** How many people a section holds. @param {Draft} draft */
export function placesOf(draft) {
  if (draft.kind === "STANDING") return draft.capacity;
  return draft.rows.reduce((sum, row) => sum + row.seats.filter(Boolean).length, 0);
}

/**
 * Rows one behind the other, each centred, its ends bent forward as a parabola; gaps have no seat.
 *
 * @param {Row[]} rows
 * @param {Layout} layout
 * @returns {PlacedRow[]}
 */
export const placed = (rows, layout) => withPlaces(rows, layout).map(({ label, seats }) => ({ label, seats: seats.filter((seat) => seat.number !== "") }));

/** The same with its gaps. @param {Row[]} rows @param {Layout} layout @returns {PlacedRow[]} */
function withPlaces(rows, layout) {
  return rows.map((row, depth) => {
    const middle = (row.seats.length - 1) / 2;
    const y = layout.origin.y + depth * layout.row_spacing;
    const seats = row.seats.map((number, at) => ({
      number,
      x: rounded(layout.origin.x + (at - middle) * layout.seat_spacing),
      y: rounded(y - layout.curve * ((at - middle) / (middle || 1)) ** 2),
    }));
    return { label: row.label, seats };
  });
}

/**
 * What is printed on the seats of a row.
 *
 * @param {{count: number, numbering: Numbering, start: number, missing: string[]}} scheme missing: numbers without a seat
 */
export function numbered({ count, numbering, start, missing }) {
  const step = numbering === "ODD" || numbering === "EVEN" ? 2 : 1;
  const parity = { ODD: 1, EVEN: 0, FORWARD: start % 2, BACKWARD: start % 2 }[numbering];
  const first = start % 2 === parity ? start : start + 1;
  const numbers = Array.from({ length: count }, (_none, at) => String(first + step * at));
  if (numbering === "BACKWARD") numbers.reverse();
  return numbers.map((number) => (missing.includes(number) ? "" : number));
}

/** The row's label after this one: B after A, AA after Z, 10 after 9. @param {string} label */
export function nextLabel(label) {
  if (/^\d+$/.test(label)) return String(Number(label) + 1);
  if (!/^[A-Z]+$/.test(label)) return `${label}2`;
  const letters = [...label];
  for (let at = letters.length - 1; at >= 0; at -= 1) {
    if (letters[at] !== "Z") {
      letters[at] = String.fromCharCode((letters[at] ?? "A").charCodeAt(0) + 1);
      return letters.join("");
    }
    letters[at] = "A";
  }
  return `A${letters.join("")}`;
}

const WHOLE = /^(0|[1-9]\d{0,4})$/;

/** Seats as people write them: "1..6, , 8..12", where nothing between two commas is a gap. @param {string[]} seats */
export function seatsText(seats) {
  const parts = [];
  for (let at = 0; at < seats.length; at += 1) {
    const from = seats[at] ?? "";
    let to = at;
    while (WHOLE.test(from) && seats[to + 1] === String(Number(from) + to + 1 - at)) to += 1;
    parts.push(to - at > 1 ? `${from}..${seats[to]}` : from);
    if (to - at > 1) at = to;
  }
  return parts.join(", ");
}

const MOST_IN_ROW = 500;

/** @param {string} text as seatsText writes it @returns {string[]} at most one more than a row may have */
export function seatsOf(text) {
  /** @type {string[]} */
  const seats = [];
  for (const part of text.split(",").map((one) => one.trim())) {
    const range = /^(\d{1,5})\.\.(\d{1,5})$/.exec(part);
    if (!range) seats.push(part);
    else {
      const [from, to] = [Number(range[1]), Number(range[2])];
      const step = from <= to ? 1 : -1;
      for (let at = from; seats.length <= MOST_IN_ROW && at !== to + step; at += step) seats.push(String(at));
    }
    if (seats.length > MOST_IN_ROW) break;
  }
  return seats;
}

/**
 * Where the stage is taken to be, if the venue doesn't say it.
 *
 * @param {Layout[]} layouts
 * @returns {Point}
 */
export function stageOf(layouts) {
  const [front] = [...layouts].sort((a, b) => a.origin.y - b.origin.y);
  if (!front) return { x: 0, y: 0 };
  const x = layouts.reduce((sum, layout) => sum + layout.origin.x, 0) / layouts.length;
  return { x: rounded(x), y: rounded(front.origin.y - front.row_spacing) };
}

// As catalog_service/domain/venues.py has them.
const FEWEST_DRAWN = 50;
const FARTHEST = 10_000;
const SHORTEST = 0.1;

/**
 * Where people stand: as said, else behind all seats, side by side, as large as they need; straight behind what is drawn there.
 *
 * @param {Draft[]} drafts in the venue's order
 * @param {Point | null} focal where the venue says that its stage is
 * @returns {(Area | null)[]} of each; null where people sit
 */
export function areasOf(drafts, focal) {
  // Nothing is asked of the seats of a large hall, each time that something moves, where nothing depends on them.
  if (drafts.every(({ kind, area }) => kind === "SEATED" || area)) return drafts.map(({ area }) => area);
  const seated = drafts.filter(({ rows }) => rows.length);
  const places = seated.flatMap(({ rows, layout }) => withPlaces(rows, layout).flatMap(({ seats }) => seats));
  const room = seated.reduce((sum, { layout }) => sum + layout.row_spacing * layout.seat_spacing, 0) / (seated.length || 1) || 1;
  const aisle = Math.sqrt(room);
  const stage = focal ?? stageOf([]);
  const frame = frameOf(places);
  const middle = places.length ? frame.x + frame.width / 2 : stage.x;
  const front = places.length ? frame.y + frame.height + 2 * aisle : stage.y + aisle;
  const widths = drafts.map(({ kind, capacity }) => (kind === "STANDING" ? Math.sqrt(Math.max(capacity, FEWEST_DRAWN) * room) : 0));
  const all = widths.reduce((sum, width) => sum + (width && width + aisle), -aisle);
  const shrink = Math.min(1, FARTHEST / Math.max(all, 1e-9));
  let left = middle - (all * shrink) / 2;
  const drawn = drafts.flatMap(({ area }) => area ?? []).sort((one, other) => one.y - one.height / 2 - (other.y - other.height / 2));
  return drafts.map(({ kind, area }, at) => {
    if (kind === "SEATED") return null;
    const width = (widths[at] ?? 0) * shrink;
    const usual = { x: within(left + width / 2), y: within(front + width / 4), width: Math.max(SHORTEST, rounded(width)), height: Math.max(SHORTEST, rounded(width / 2)) };
    left += width + aisle * shrink;
    return area ?? behind(usual, drawn, aisle);
  });
}

/**
 * How a section that is added is drawn first: about the middle of the hall behind all that is drawn, spaced as the section before it.
 *
 * @param {Draft[]} drafts those there are
 * @returns {Layout}
 */
export function layoutBehind(drafts) {
  const points = drafts.flatMap(({ rows, layout, area }) => (area ? cornersOf(area) : placed(rows, layout).flatMap(({ seats }) => seats)));
  const { row_spacing, seat_spacing } = drafts.findLast(({ rows }) => rows.length)?.layout ?? usualLayout();
  const { x, y, width, height } = frameOf(points);
  const origin = points.length ? { x: within(x + width / 2), y: within(y + height + 2 * row_spacing) } : { x: 0, y: 0 };
  return { origin, row_spacing, seat_spacing, curve: 0 };
}

/** @param {number} value */
const within = (value) => rounded(Math.max(-FARTHEST, Math.min(FARTHEST, value)));

/** The area, or the nearest one straight behind it that lies over none of those drawn. @param {Area} area @param {Area[]} drawn in the order of their fronts @param {number} aisle @returns {Area} */
function behind(area, drawn, aisle) {
  return drawn.reduce((now, other) => {
    const isBeside = Math.abs(now.x - other.x) * 2 >= now.width + other.width;
    const isApart = Math.abs(now.y - other.y) * 2 >= now.height + other.height;
    return isBeside || isApart ? now : { ...now, y: within(other.y + other.height / 2 + aisle + now.height / 2) };
  }, area);
}

/** The corners of an area. @param {Area} area @returns {Point[]} */
export const cornersOf = ({ x, y, width, height }) => [{ x: x - width / 2, y: y - height / 2 }, { x: x + width / 2, y: y + height / 2 }];

/** The smallest frame around points. @param {Point[]} points */
export function frameOf(points) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y } of points) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x);
    bottom = Math.max(bottom, y);
  }
  return points.length ? { x: left, y: top, width: right - left, height: bottom - top } : { x: 0, y: 0, width: 0, height: 0 };
}

/** From each seat of rows to the next one. @param {PlacedRow[]} rows */
export function distancesOf(rows) {
  return rows.flatMap(({ seats }) =>
    seats.slice(1).map((seat, at) => {
      const before = seats[at] ?? seat;
      return Math.hypot(seat.x - before.x, seat.y - before.y);
    }),
  ).filter((distance) => distance > 0);
}

/**
 * The section whose seats stand nearly as these do: we place rows by an origin, two spacings and a
 * curve, so what is drawn more freely elsewhere comes near, not equal. Every seat and number is kept.
 *
 * @param {string} name
 * @param {PlacedRow[]} rows
 * @returns {Draft}
 */
export function fitted(name, rows) {
  const ordered = rows
    .map((row) => ({ ...row, seats: (row.seats.at(-1)?.x ?? 0) < (row.seats[0]?.x ?? 0) ? [...row.seats].reverse() : row.seats }))
    .sort((a, b) => (middleOf(a).y - middleOf(b).y));
  const seat_spacing = median(distancesOf(ordered), 1);
  const row_spacing = median(ordered.slice(1).map((row, at) => middleOf(row).y - middleOf(ordered[at] ?? row).y).filter((step) => step > 0), seat_spacing);
  const [first] = ordered;
  const bend = ordered.find((row) => row.seats.length > 2);
  const curve = bend ? middleOf(bend).y - ((bend.seats[0]?.y ?? 0) + (bend.seats.at(-1)?.y ?? 0)) / 2 : 0;
  return {
    name,
    kind: "SEATED",
    rows: ordered.map((row) => ({ label: row.label, seats: withGaps(row.seats, seat_spacing) })),
    layout: {
      origin: first ? { x: rounded(((first.seats[0]?.x ?? 0) + (first.seats.at(-1)?.x ?? 0)) / 2), y: rounded(middleOf(first).y) } : { x: 0, y: 0 },
      row_spacing: rounded(row_spacing),
      seat_spacing: rounded(seat_spacing),
      curve: rounded(curve),
    },
    capacity: 0,
    area: null,
  };
}

/** @param {PlacedRow} row @returns {Point} the seat in its middle */
const middleOf = (row) => row.seats[Math.floor(row.seats.length / 2)] ?? { x: 0, y: 0 };

/** @param {Seat[]} seats @param {number} spacing */
function withGaps(seats, spacing) {
  /** @type {string[]} */
  const result = [];
  seats.forEach((seat, at) => {
    const before = seats[at - 1];
    const steps = before ? Math.round(Math.hypot(seat.x - before.x, seat.y - before.y) / spacing) : 1;
    for (let gap = 1; gap < steps && result.length < MOST_IN_ROW; gap += 1) result.push("");
    result.push(seat.number);
  });
  return result;
}
