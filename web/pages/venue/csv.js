/** Seats as a table, for spreadsheets: section, row, seat, x, y; where people stand also how many, and how large it is. */
import { fitted, placed, usualLayout } from "./plan.js";

/** @typedef {import("./plan.js").Draft} Draft */

const HEAD = ["section", "row", "seat", "x", "y"];
const STANDING = ["capacity", "width", "height"];

/** @param {string | number} value */
function cell(value) {
  const text = String(value);
  // A spreadsheet takes what begins so for a formula.
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The seats of a hall; where people stand there are none, but a line that says so. @param {Draft[]} sections */
export function toCsv(sections) {
  const lines = sections
    .filter((section) => section.kind === "SEATED")
    .flatMap((section) => placed(section.rows, section.layout).flatMap((row) => row.seats.map((seat) => [section.name, row.label, seat.number, seat.x, seat.y])));
  const standing = sections
    .filter((section) => section.kind === "STANDING")
    .map(({ name, capacity, area }) => [name, "", "", area?.x ?? "", area?.y ?? "", capacity, area?.width ?? "", area?.height ?? ""]);
  const table = standing.length ? [[...HEAD, ...STANDING], ...lines.map((line) => [...line, "", "", ""]), ...standing] : [HEAD, ...lines];
  return table.map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

/** The cells of a table (RFC 4180), in one pass. @param {string} text */
export function cellsOf(text) {
  /** @type {string[][]} */
  const lines = [];
  let line = [];
  let value = "";
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (quoted) {
      if (sign !== '"') value += sign;
      else if (text[at + 1] === '"') {
        value += '"';
        at += 1;
      } else quoted = false;
    } else if (sign === '"' && value === "") quoted = true;
    else if (sign === "," || sign === "\n") {
      line.push(value);
      value = "";
      if (sign === "\n") {
        lines.push(line);
        line = [];
      }
    } else if (sign !== "\r" && !(at === 0 && sign === "\uFEFF")) value += sign;
  }
  if (value !== "" || line.length) lines.push([...line, value]);
  return lines.filter((cells) => cells.some((one) => one.trim() !== ""));
}

/**
 * The sections of a table; without x and y each row is centred, one behind the other.
 *
 * @param {string} text
 * @returns {Draft[]}
 * @throws {Error} MISSING_COLUMNS: no section, row or seat in its first line; or BAD_NUMBER:<line>
 */
export function fromCsv(text) {
  const [head = [], ...lines] = cellsOf(text);
  const names = head.map((name) => name.trim().toLowerCase());
  const [section, row, seat, x, y, capacity, width, height] = [...HEAD, ...STANDING].map((name) => names.indexOf(name));
  if (section === undefined || row === undefined || seat === undefined || Math.min(section, row, seat) < 0) throw new Error("MISSING_COLUMNS");
  /** @type {Map<string, Map<string, import("./plan.js").Seat[]>>} */
  const sections = new Map();
  /** @type {Draft[]} */
  const standing = [];
  lines.forEach((cells, number) => {
    const of = (/** @type {number | undefined} */ at) => (at === undefined || at < 0 ? "" : (cells[at] ?? "").trim().replace(/^'(?=[=+\-@])/, ""));
    if (of(row) === "" && of(seat) === "" && of(capacity) !== "") {
      const said = [x, y, width, height].map(of);
      const [left = 0, top = 0, wide = 0, high = 0] = said.map(Number);
      const people = Number(of(capacity));
      if (![left, top, wide, high, people].every(Number.isFinite)) throw new Error(`BAD_NUMBER:${number + 2}`);
      const area = said.includes("") ? null : { x: left, y: top, width: wide, height: high };
      standing.push({ name: of(section), kind: "STANDING", rows: [], layout: usualLayout(), capacity: people, area });
      return;
    }
    const rows = sections.get(of(section)) ?? new Map();
    sections.set(of(section), rows);
    const seats = rows.get(of(row)) ?? [];
    rows.set(of(row), seats);
    const place = { number: of(seat), x: of(x) === "" ? seats.length : Number(of(x)), y: of(y) === "" ? [...rows.keys()].indexOf(of(row)) : Number(of(y)) };
    if (!Number.isFinite(place.x) || !Number.isFinite(place.y)) throw new Error(`BAD_NUMBER:${number + 2}`);
    seats.push(place);
  });
  const isPlaced = x !== undefined && x >= 0;
  const seated = [...sections].map(([name, rows]) => {
    const draft = fitted(name, [...rows].map(([label, seats]) => ({ label, seats })));
    return isPlaced ? draft : { ...draft, layout: { ...draft.layout, origin: { x: 0, y: draft.layout.origin.y } } };
  });
  return [...seated, ...standing];
}
