/**
 * A hall as numbers: where every seat is and how it stands. Arrays with an entry a seat instead of
 * 20,000 objects: they are read for each picture and never collected. Nothing here knows the page.
 * From `count` on, numbers are of areas.
 */

/** @typedef {import("api").components["schemas"]["SeatMap"]} SeatMap */

export const FREE = 0;
export const HELD = 1;
export const SOLD = 2;
export const BLOCKED = 3;

const CODES = /** @type {Record<string, number>} */ ({ AVAILABLE: FREE, HELD, SOLD, RESERVED: SOLD, BLOCKED });

/** Neighbours that stand farther apart than so many usual steps have an aisle between them. */
const GAP = 1.5;
const MOST_CELLS = 65536;

/**
 * @typedef {object} Row
 * @property {string} label
 * @property {number} section its place in `sections`
 * @property {number} first seat
 * @property {number} end one past the last seat
 *
 * @typedef {object} Section
 * @property {string} id
 * @property {string} name
 * @property {string} tier its id
 * @property {number} firstRow
 * @property {number} endRow one past the last
 * @property {number} first seat
 * @property {number} end one past the last seat
 * @property {number[]} outline x, y, x, y …: around its outermost seats
 * @property {number} x of its middle
 * @property {number} y
 * @property {number} width
 *
 * @typedef {object} Pool counted places
 * @property {string} id of the section
 * @property {string} name
 * @property {string} tier
 * @property {number} available
 * @property {number} capacity
 *
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box
 */

export class Hall {
  /** @param {SeatMap} map */
  constructor(map) {
    /** @type {Section[]} */
    this.sections = [];
    /** @type {Row[]} */
    this.rows = [];
    /** @type {Pool[]} */
    this.pools = [];
    /** @type {(Box & {pool: Pool})[]} of the pools that have one */
    this.areas = [];
    /** @type {string[]} */
    this.ids = [];
    /** @type {string[]} */
    this.numbers = [];
    const seated = map.sections.filter((section) => section.kind === "SEATED");
    this.count = seated.reduce((sum, section) => sum + section.rows.reduce((most, row) => most + row.seats.length, 0), 0);
    this.x = new Float32Array(this.count);
    this.y = new Float32Array(this.count);
    this.rowOf = new Int32Array(this.count);
    this.state = new Uint8Array(this.count);
    /** @type {Map<string, number>} */
    this.at = new Map();
    for (const section of map.sections) {
      if (section.kind === "SEATED") this.#addSeats(section);
      else this.#addPool(section);
    }
    this.places = this.count + this.areas.length;
    /** Between seats of a row; `step` is the least at which seats stand. */
    this.beside = 1;
    this.step = this.#usualStep();
    if (!this.count) this.step = Math.max(1e-3, ...this.areas.map(({ left, right }) => (right - left) / 24));
    this.radius = this.step * 0.4;
    this.box = this.#boxOf(0, this.count);
    for (const { left, top, right, bottom } of this.areas) {
      this.box.left = Math.min(this.box.left, left);
      this.box.right = Math.max(this.box.right, right);
      this.box.top = Math.min(this.box.top, top);
      this.box.bottom = Math.max(this.box.bottom, bottom);
    }
    this.grid = new Grid(this);
    /** @type {Set<(seats: number[] | null) => void>} */
    this.watchers = new Set();
    this.snapshot(map.taken);
  }

  /** Calls with the seats that change, null: any may have. @param {(seats: number[] | null) => void} work @returns {() => void} stops it */
  watch(work) {
    this.watchers.add(work);
    return () => void this.watchers.delete(work);
  }

  /** @param {Extract<SeatMap["sections"][number], {kind: "STANDING"}>} section */
  #addPool({ id, name, tier_id, available, capacity, area }) {
    const pool = { id, name, tier: tier_id, available, capacity };
    this.pools.push(pool);
    if (area) this.areas.push({ pool, left: area.x - area.width / 2, right: area.x + area.width / 2, top: area.y - area.height / 2, bottom: area.y + area.height / 2 });
  }

  /** @param {Extract<SeatMap["sections"][number], {kind: "SEATED"}>} section */
  #addSeats(section) {
    const first = this.ids.length;
    const firstRow = this.rows.length;
    for (const row of section.rows) {
      const firstOfRow = this.ids.length;
      for (const seat of row.seats) {
        const no = this.ids.length;
        this.ids.push(seat.id);
        this.numbers.push(seat.number);
        this.at.set(seat.id, no);
        this.x[no] = seat.x;
        this.y[no] = seat.y;
        this.rowOf[no] = this.rows.length;
      }
      this.rows.push({ label: row.label, section: this.sections.length, first: firstOfRow, end: this.ids.length });
    }
    const end = this.ids.length;
    const { left, right, top, bottom } = this.#boxOf(first, end);
    this.sections.push({
      id: section.id,
      name: section.name,
      tier: section.tier_id,
      first,
      end,
      firstRow,
      endRow: this.rows.length,
      outline: this.#outline(firstRow, this.rows.length),
      x: (left + right) / 2,
      y: (top + bottom) / 2,
      width: right - left,
    });
  }

  /** Along the first row, down the right ends, back along the last row, up the left ends. @param {number} from @param {number} to */
  #outline(from, to) {
    const rows = this.rows.slice(from, to).filter((row) => row.end > row.first);
    const front = rows[0];
    const back = rows.at(-1);
    if (!front || !back) return [];
    /** @type {number[]} */
    const points = [];
    const add = (/** @type {number} */ no) => points.push(at(this.x, no), at(this.y, no));
    for (let no = front.first; no < front.end; no += 1) add(no);
    for (const row of rows) add(row.end - 1);
    for (let no = back.end - 1; no >= back.first; no -= 1) add(no);
    for (const row of rows.reverse()) add(row.first);
    return points;
  }

  /** @param {number} from @param {number} to @returns {Box} */
  #boxOf(from, to) {
    const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    for (let no = from; no < to; no += 1) {
      const x = at(this.x, no);
      const y = at(this.y, no);
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y);
    }
    return box;
  }

  /** The distance at which seats stand: between neighbours, or between rows where that is less. */
  #usualStep() {
    const steps = [];
    for (const row of this.rows) {
      for (let no = row.first + 1; no < row.end; no += 1) steps.push(this.#distance(no - 1, no));
    }
    const between = [];
    for (const section of this.sections) {
      for (let no = section.firstRow + 1; no < section.endRow; no += 1) {
        const one = this.row(no - 1);
        const next = this.row(no);
        if (one.end > one.first && next.end > next.first) between.push(this.#distance(middle(one), middle(next)));
      }
    }
    const beside = median(steps);
    const behind = median(between);
    this.beside = beside || behind || 1;
    return Math.min(beside || behind || 1, behind || beside || 1);
  }

  /** @param {number} one @param {number} other */
  #distance(one, other) {
    return Math.hypot(at(this.x, one) - at(this.x, other), at(this.y, one) - at(this.y, other));
  }

  /** @param {number} no */
  row(no) {
    return /** @type {Row} */ (this.rows[no]);
  }

  /** The row of a seat. @param {number} seat */
  rowOfSeat(seat) {
    return this.row(at(this.rowOf, seat));
  }

  /** The section of a seat. @param {number} seat */
  sectionOfSeat(seat) {
    return /** @type {Section} */ (this.sections[this.rowOfSeat(seat).section]);
  }

  /** @param {number} seat */
  isFree(seat) {
    return this.state[seat] === FREE;
  }

  /** How many seats are free, from one to before another. @param {number} from @param {number} to */
  free(from, to) {
    let free = 0;
    for (let no = from; no < to; no += 1) free += this.state[no] === FREE ? 1 : 0;
    return free;
  }

  /** All that is taken; what is not named is free. @param {Record<string, string[]>} taken @param {Record<string, {available: number, capacity: number}>} [pools] */
  snapshot(taken, pools = {}) {
    this.state.fill(FREE);
    for (const [status, ids] of Object.entries(taken)) {
      for (const id of ids) this.#set(id, status);
    }
    this.#setPools(pools);
    this.watchers.forEach((work) => work(null));
  }

  /** @param {Record<string, string>} changes @param {Record<string, {available: number, capacity: number}>} pools */
  delta(changes, pools) {
    /** @type {number[]} */
    const changed = [];
    for (const [id, status] of Object.entries(changes)) {
      const seat = this.#set(id, status);
      if (seat !== undefined) changed.push(seat);
    }
    this.#setPools(pools);
    this.watchers.forEach((work) => work(changed));
  }

  /** @param {string} id @param {string} status */
  #set(id, status) {
    const seat = this.at.get(id);
    if (seat !== undefined) this.state[seat] = CODES[status] ?? BLOCKED;
    return seat;
  }

  /** @param {Record<string, {available: number, capacity: number}>} pools */
  #setPools(pools) {
    for (const pool of this.pools) Object.assign(pool, pools[pool.id]);
  }

  /** The seat beside one, without an aisle between; -1: there is none. @param {number} seat @param {1 | -1} by */
  neighbour(seat, by) {
    const row = this.rowOfSeat(seat);
    const other = seat + by;
    if (other < row.first || other >= row.end) return -1;
    return this.#distance(seat, other) > this.beside * GAP ? -1 : other;
  }

  /** Free seats that a choice leaves alone between others. @param {Set<number>} mine @returns {number[]} */
  lonely(mine) {
    const alone = new Set();
    const isOpen = (/** @type {number} */ seat) => seat >= 0 && !mine.has(seat) && this.isFree(seat);
    for (const seat of mine) {
      for (const by of /** @type {const} */ ([1, -1])) {
        const other = this.neighbour(seat, by);
        if (isOpen(other) && !isOpen(this.neighbour(other, by))) alone.add(other);
      }
    }
    return [...alone];
  }

  /** Where a seat is, or the middle of an area. @param {number} seat */
  placeOf(seat) {
    const area = this.areas[seat - this.count];
    return area ? { x: (area.left + area.right) / 2, y: (area.top + area.bottom) / 2 } : { x: at(this.x, seat), y: at(this.y, seat) };
  }

  /** The seat or area one comes to from another by an arrow key; itself where there is none. @param {number} seat @param {string} key */
  next(seat, key) {
    const row = seat < this.count ? this.rowOfSeat(seat) : null;
    const across = key === "ArrowLeft" || key === "ArrowRight";
    const ahead = key === "ArrowDown" || key === "ArrowRight" ? 1 : -1;
    if (row && across && seat + ahead >= row.first && seat + ahead < row.end) return seat + ahead;
    if (key === "Home") return row?.first ?? seat;
    if (key === "End") return row ? row.end - 1 : seat;
    let best = seat;
    let least = Infinity;
    const { x, y } = this.placeOf(seat);
    const consider = (/** @type {number} */ other, /** @type {number} */ byX, /** @type {number} */ byY) => {
      const off = (across ? byX : byY) * ahead;
      if (off <= this.step * 0.1) return;
      // What is straight ahead is nearer than what is to the side.
      const far = off + Math.abs(across ? byY : byX) * 3;
      if (far < least) [best, least] = [other, far];
    };
    for (const other of this.rows) {
      // From the end of a row one comes to an area beside it, and to no other row.
      if (other === row || other.end === other.first || (row && across)) continue;
      const near = this.#nearestOf(other, x);
      consider(near, at(this.x, near) - x, at(this.y, near) - y);
    }
    this.areas.forEach(({ left, top, right, bottom }, index) => {
      const middle = this.placeOf(this.count + index);
      consider(this.count + index, (across ? middle.x : clamped(x, left, right)) - x, (across ? clamped(y, top, bottom) : middle.y) - y);
    });
    return best;
  }

  /** @param {Row} row @param {number} x */
  #nearestOf(row, x) {
    let best = row.first;
    for (let no = row.first; no < row.end; no += 1) {
      if (Math.abs(at(this.x, no) - x) < Math.abs(at(this.x, best) - x)) best = no;
    }
    return best;
  }
}

/** Which seats are in which square of the hall: what is under a finger, and what a tile shows. */
class Grid {
  /** @param {Hall} hall */
  constructor(hall) {
    const { box, count } = hall;
    /** @type {Hall} */
    this.hall = hall;
    const width = Math.max(box.right - box.left, 1e-6);
    const height = Math.max(box.bottom - box.top, 1e-6);
    /** @type {number} */
    this.size = Math.max(hall.step * 2, Math.sqrt((width * height) / MOST_CELLS), Math.max(width, height) / 4096);
    /** @type {number} */
    this.columns = Math.floor(width / this.size) + 1;
    /** @type {number} */
    this.lines = Math.floor(height / this.size) + 1;
    // Counted, then filled: the seats of a square stand side by side in one array.
    this.starts = new Int32Array(this.columns * this.lines + 1);
    for (let no = 0; no < count; no += 1) this.starts[this.#cellOf(no) + 1] = at(this.starts, this.#cellOf(no) + 1) + 1;
    for (let cell = 0; cell < this.columns * this.lines; cell += 1) this.starts[cell + 1] = at(this.starts, cell + 1) + at(this.starts, cell);
    const filled = this.starts.slice();
    this.seats = new Int32Array(count);
    for (let no = 0; no < count; no += 1) {
      const cell = this.#cellOf(no);
      this.seats[at(filled, cell)] = no;
      filled[cell] = at(filled, cell) + 1;
    }
  }

  /** @param {number} no @returns {number} */
  #cellOf(no) {
    const { hall } = this;
    return this.#line(at(hall.y, no)) * this.columns + this.#column(at(hall.x, no));
  }

  /** @param {number} x @returns {number} */
  #column(x) {
    return Math.min(this.columns - 1, Math.max(0, Math.floor((x - this.hall.box.left) / this.size)));
  }

  /** @param {number} y @returns {number} */
  #line(y) {
    return Math.min(this.lines - 1, Math.max(0, Math.floor((y - this.hall.box.top) / this.size)));
  }

  /** Calls with each seat in the squares that touch a box, and perhaps a few beside it. @param {Box} box @param {(seat: number) => void} work */
  within(box, work) {
    if (!this.hall.count) return;
    const right = this.#column(box.right);
    const left = this.#column(box.left);
    for (let line = this.#line(box.top); line <= this.#line(box.bottom); line += 1) {
      const end = at(this.starts, line * this.columns + right + 1);
      for (let index = at(this.starts, line * this.columns + left); index < end; index += 1) work(at(this.seats, index));
    }
  }

  /** The seat nearest to a place, at most so far away; -1: there is none. @param {number} x @param {number} y @param {number} most */
  nearest(x, y, most) {
    let best = -1;
    let least = most * most;
    const { hall } = this;
    this.within({ left: x - most, right: x + most, top: y - most, bottom: y + most }, (seat) => {
      const far = (at(hall.x, seat) - x) ** 2 + (at(hall.y, seat) - y) ** 2;
      if (far <= least) [best, least] = [seat, far];
    });
    return best;
  }
}

/** @param {number} value @param {number} least @param {number} most */
const clamped = (value, least, most) => Math.min(most, Math.max(least, value));

/** An entry that is there. @param {Float32Array | Int32Array | Uint8Array} of @param {number} index */
export const at = (of, index) => /** @type {number} */ (of[index]);

/** @param {Row} row */
const middle = (row) => row.first + Math.floor((row.end - row.first) / 2);

/** @param {number[]} values */
function median(values) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
