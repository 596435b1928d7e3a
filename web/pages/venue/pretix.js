/**
 * pretix's seating plans (the JSON of its plan editor): zones have rows, rows have seats; a row's place is
 * told from its zone, a seat's from its row. Its seats have categories, for which we take the section's name.
 * It counts nobody who stands: such a section leaves as a shape with its name, and does not come back.
 */
import { cornersOf, distancesOf, fitted, frameOf, layoutBehind, placed, rounded } from "./plan.js";

/** @typedef {import("./plan.js").Draft} Draft */
/** @typedef {import("./plan.js").Point} Point */

// In pretix's plans seats are about so far from each other.
const UNIT = 25;
const MARGIN = 2 * UNIT;
// Characters, as catalog_service/domain/venues.py has them.
const MOST_OF_NAME = 60;
const MOST_OF_LABEL = 10;
const MOST_OF_NUMBER = 8;
const COLOURS = ["#0f5c4d", "#b34700", "#1b4f8a", "#7a4b00", "#a8201a", "#5b574d"];

/** @param {string} seed @returns {string} the same one of the same seed, in the form of a UUID */
function idOf(seed) {
  let hash = 0x811c9dc5;
  let text = "";
  for (let turn = 0; text.length < 32; turn += 1) {
    for (const sign of `${turn}${seed}`) hash = Math.imul(hash ^ (sign.codePointAt(0) ?? 0), 0x01000193);
    text += (hash >>> 0).toString(16).padStart(8, "0");
  }
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-4${text.slice(13, 16)}-a${text.slice(17, 20)}-${text.slice(20, 32)}`;
}

/** A hall as pretix's plan. @param {string} name @param {Draft[]} drafts */
export function toPretix(name, drafts) {
  const sections = drafts.filter((draft) => draft.kind === "SEATED").map((draft) => ({ name: draft.name, rows: placed(draft.rows, draft.layout) }));
  const unit = distancesOf(sections.flatMap((section) => section.rows)).sort((a, b) => a - b);
  const scale = UNIT / (unit[Math.floor(unit.length / 2)] ?? 1);
  const standing = drafts.flatMap((draft) => (draft.area && draft.kind === "STANDING" ? [{ name: draft.name, area: draft.area }] : []));
  const frame = frameOf([...sections.flatMap((section) => section.rows.flatMap((row) => row.seats)), ...standing.flatMap(({ area }) => cornersOf(area))]);
  const at = (/** @type {Point} */ point) => ({ x: round((point.x - frame.x) * scale + MARGIN), y: round((point.y - frame.y) * scale + MARGIN) });
  return {
    name,
    // Whole numbers, as its schema has it (src/pretix/static/seating/seating-plan.schema.json).
    size: { width: Math.ceil(frame.width * scale + 2 * MARGIN), height: Math.ceil(frame.height * scale + 2 * MARGIN) },
    categories: sections.map((section, number) => ({ name: section.name, color: COLOURS[number % COLOURS.length] })),
    zones: [...sections.map((section) => ({
      name: section.name,
      zone_id: section.name,
      uuid: idOf(section.name),
      position: { x: 0, y: 0 },
      rows: section.rows.filter((row) => row.seats.length).map((row) => {
        const start = at(row.seats[0] ?? { x: 0, y: 0 });
        return {
          row_number: row.label,
          row_number_position: "both",
          uuid: idOf(`${section.name}\n${row.label}`),
          position: start,
          seats: row.seats.map((seat) => {
            const place = at(seat);
            return {
              seat_number: seat.number,
              seat_guid: `${section.name}-${row.label}-${seat.number}`,
              uuid: idOf(`${section.name}\n${row.label}\n${seat.number}`),
              position: { x: round(place.x - start.x), y: round(place.y - start.y) },
              category: section.name,
            };
          }),
        };
      }),
      areas: [],
    })), ...standing.map(({ name: title, area }) => shapeOf(title, at(cornersOf(area)[0] ?? area), Math.ceil(area.width * scale), Math.ceil(area.height * scale)))],
  };
}

/** A zone with a rectangle and its name alone. @param {string} name @param {Point} position its corner @param {number} width @param {number} height */
const shapeOf = (name, position, width, height) => ({
  name,
  zone_id: name,
  uuid: idOf(`${name}\n`),
  position: { x: 0, y: 0 },
  rows: [],
  areas: [{
    uuid: idOf(`${name}\n\n`),
    shape: "rectangle",
    rectangle: { width, height },
    position,
    rotation: 0,
    color: "#ffffff",
    border_color: "#5b574d",
    text: { text: name, color: "#5b574d", position: { x: width / 2, y: height / 2 } },
  }],
});

/** @param {number} value */
const round = (value) => Math.round(value * 100) / 100;

/** @param {any} value @returns {Point} */
function pointOf(value) {
  const [x, y] = [Number(value?.x ?? 0), Number(value?.y ?? 0)];
  if (!Number.isFinite(x) || !Number.isFinite(y)) throw new Error("NOT_A_PLAN");
  return { x, y };
}

/** @param {any} value @returns {any[]} */
const listOf = (value) => (Array.isArray(value) ? value : []);

/**
 * A name that none has yet, no longer than it may be: pretix lets two rows have one number, and zones one name.
 *
 * @param {string} name
 * @param {Set<string>} taken
 * @param {number} most characters
 */
function unlike(name, taken, most) {
  let result = name.slice(0, most);
  for (let number = 2; taken.has(result); number += 1) {
    const suffix = `-${number}`;
    result = name.slice(0, most - suffix.length) + suffix;
  }
  taken.add(result);
  return result;
}

/** How far the seats of sections reach. @param {Draft[]} drafts */
const reachOf = (drafts) => frameOf(drafts.flatMap(({ rows, layout }) => placed(rows, layout).flatMap(({ seats }) => seats)));

/** Whether seats of the one may stand among those of the other. @param {Draft} one @param {Draft} other */
function isOver(one, other) {
  const [a, b] = [reachOf([one]), reachOf([other])];
  return a.x <= b.x + b.width && b.x <= a.x + a.width && a.y <= b.y + b.height && b.y <= a.y + a.height;
}

/** @param {Draft[]} drafts @param {Point} from what comes to `to` @param {Point} to @param {number} [scale] @returns {Draft[]} */
function carried(drafts, from, to, scale = 1) {
  return drafts.map((one) => ({
    ...one,
    layout: {
      origin: { x: rounded((one.layout.origin.x - from.x) * scale + to.x), y: rounded((one.layout.origin.y - from.y) * scale + to.y) },
      row_spacing: rounded(one.layout.row_spacing * scale),
      seat_spacing: rounded(one.layout.seat_spacing * scale),
      curve: rounded(one.layout.curve * scale),
    },
  }));
}

/** Brings sections, as they are to each other, behind all that is there. @param {Draft[]} drafts @param {Draft[]} there @param {number} [scale] */
function carriedBehind(drafts, there, scale) {
  const { x, y, width } = reachOf(drafts);
  return carried(drafts, { x: x + width / 2, y }, layoutBehind(there).origin, scale);
}

/**
 * The sections of a plan where they fit into a hall: its plan begins anywhere, and a seat may be of any size. One that takes the
 * place of another is where that was, with the others around it, unless those would be over what stays; they are behind all then,
 * as is a plan that has no such section.
 *
 * @param {Draft[]} found in units of one seat
 * @param {Draft[]} there
 * @returns {Draft[]}
 */
function aligned(found, there) {
  const seated = there.filter(({ rows }) => rows.length);
  const [pair] = found.flatMap((one) => seated.filter(({ name }) => name === one.name).map((old) => ({ old: old.layout, now: one.layout })));
  if (!pair) return carriedBehind(found, there, seated.at(-1)?.layout.seat_spacing);
  const moved = carried(found, pair.now.origin, pair.old.origin, pair.old.seat_spacing / pair.now.seat_spacing);
  const [names, old] = [found, seated].map((drafts) => new Set(drafts.map(({ name }) => name)));
  const stays = seated.filter(({ name }) => !names?.has(name));
  const added = moved.filter(({ name }) => !old?.has(name));
  if (!added.some((one) => stays.some((other) => isOver(one, other)))) return moved;
  const replaced = moved.filter((one) => !added.includes(one));
  return [...replaced, ...carriedBehind(added, [...there, ...replaced])];
}

/**
 * The sections of pretix's plan, its zones, as they fit into a hall.
 *
 * @param {any} plan what JSON.parse gave
 * @param {Draft[]} [there] what the hall has already
 * @returns {Draft[]}
 * @throws {Error} NOT_A_PLAN
 */
export function fromPretix(plan, there = []) {
  /** @type {Set<string>} */
  const names = new Set();
  const zones = listOf(plan?.zones).map((zone, at) => {
    const from = pointOf(zone?.position);
    /** @type {Set<string>} */
    const labels = new Set();
    const rows = listOf(zone?.rows).map((row, depth) => {
      const start = pointOf(row?.position);
      /** @type {Set<string>} */
      const numbers = new Set();
      const seats = listOf(row?.seats).map((seat, number) => {
        const place = pointOf(seat?.position);
        return { number: unlike(String(seat?.seat_number || number + 1), numbers, MOST_OF_NUMBER), x: from.x + start.x + place.x, y: from.y + start.y + place.y };
      });
      return { label: unlike(String(row?.row_number || depth + 1), labels, MOST_OF_LABEL), seats };
    });
    return { name: unlike(String(zone?.name || zone?.zone_id || at + 1), names, MOST_OF_NAME), rows: rows.filter((row) => row.seats.length) };
  });
  const seated = zones.filter((zone) => zone.rows.length);
  if (!seated.length) throw new Error("NOT_A_PLAN");
  const distances = distancesOf(seated.flatMap((zone) => zone.rows)).sort((a, b) => a - b);
  const unit = distances[Math.floor(distances.length / 2)] ?? UNIT;
  const scaled = (/** @type {import("./plan.js").PlacedRow} */ row) => ({ ...row, seats: row.seats.map((seat) => ({ ...seat, x: seat.x / unit, y: seat.y / unit })) });
  return aligned(seated.map((zone) => fitted(zone.name, zone.rows.map(scaled))), there);
}
