/**
 * The hall on a canvas. From far away sections are drawn as shapes; from near, seats, in tiles that
 * are drawn once and then only copied, so that moving about costs the same in any hall.
 */
import { BLOCKED, FREE, HELD, SOLD, at } from "./hall.js";
import { markOf } from "./marks.js";

/** @typedef {import("./hall.js").Hall} Hall */
/** @typedef {import("./hall.js").Box} Box */

/** Of a tile's side, in CSS pixels. */
const TILE = 256;
const MOST_TILES = 96;
/** Of a frame, for tiles that are missing: the rest comes with the next ones. */
const TILE_MILLISECONDS = 6;
/** Seats of less than so many pixels across are not drawn, and not picked. */
export const LEAST_SEAT = 6;
const SHAPED_SEAT = 11;
const NUMBERED_SEAT = 22;
const LARGEST_SEAT = 60;
/** After the last change of scale, before the tiles are drawn anew. */
const SETTLED_MILLISECONDS = 140;
const STAGE_PIXELS = 18;
/** Narrower sections have no room for their names. */
const NAMED_PIXELS = 36;
const LINE_PIXELS = 18;
const TIERS = 6;
/** Where the reader's few colours take the place of ours: prices differ by shape, and what is not to be had by its outline. */
const FORCED = matchMedia("(forced-colors: active)");

/**
 * @typedef {object} Look what of the hall is to be seen, besides itself
 * @property {ReadonlySet<number>} mine
 * @property {ReadonlySet<number>} pending asked for, and not answered yet
 * @property {(tier: string) => number} tierIndex
 * @property {(tier: string) => boolean} isShown
 * @property {string} stage in words
 * @property {(pool: import("./hall.js").Pool) => [own: string, left: string]} words how many are one's own, if any are, and left
 *
 * @typedef {{scale: number, tiles: Map<string, Tile>, sprites: Map<string, HTMLCanvasElement>}} Layer
 * @typedef {{canvas: HTMLCanvasElement, stale: boolean, column: number, line: number}} Tile
 */

export class View {
  /** @param {HTMLCanvasElement} canvas @param {Hall} hall @param {Look} look */
  constructor(canvas, hall, look) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.hall = hall;
    this.look = look;
    this.focus = -1;
    this.width = 0;
    this.height = 0;
    this.pixels = 1;
    this.scale = 1;
    this.left = 0;
    this.top = 0;
    this.frame = 0;
    this.settled = 0;
    /** @type {Layer} */
    this.layer = newLayer(0);
    /** @type {Layer | null} what is shown until the layer's own tiles are there */
    this.before = null;
    this.paths = hall.sections.map((section) => pathOf(section.outline));
    this.free = hall.sections.map((section) => hall.free(section.first, section.end));
    const margin = hall.step * 2;
    /** @type {Box} */
    this.box = { left: hall.box.left - margin, right: hall.box.right + margin, top: hall.box.top - Math.max(margin * 2, (hall.box.bottom - hall.box.top) * 0.06), bottom: hall.box.bottom + margin };
    this.colours = this.#colours();
    this.redraw();
    this.stop = hall.watch((seats) => this.#changed(seats));
  }

  close() {
    this.stop();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.settled);
  }

  /** How many pixels a seat is across. */
  get seatSize() {
    return this.hall.radius * 2 * this.scale;
  }

  get showsSeats() {
    return this.seatSize >= LEAST_SEAT;
  }

  /** After another theme was chosen. */
  readColours() {
    this.colours = this.#colours();
    this.redraw();
  }

  /** From the style sheet, so that both themes have theirs. */
  #colours() {
    const style = getComputedStyle(this.canvas);
    // A canvas knows no custom properties; the canvas's own colour, which nothing shows, resolves them.
    const of = (/** @type {string} */ name) => {
      this.canvas.style.color = `var(${name})`;
      return style.color;
    };
    return {
      isForced: FORCED.matches,
      ground: of("--surface"),
      line: of("--line-strong"),
      text: of("--text"),
      muted: of("--muted"),
      on: of("--surface"),
      onMine: of("--seat-mine-text"),
      mine: of("--seat-mine"),
      held: of("--seat-held"),
      sold: of("--seat-held"),
      focus: of("--focus"),
      soft: of("--sunken"),
      tiers: Array.from({ length: TIERS }, (_, index) => of(`--tier-${index + 1}`)),
      font: style.fontFamily,
    };
  }

  /** @param {number} width @param {number} height CSS pixels @param {number} pixels of the device, for each of them */
  resize(width, height, pixels) {
    const first = this.width === 0;
    [this.width, this.height, this.pixels] = [width, height, pixels];
    this.canvas.width = Math.round(width * pixels);
    this.canvas.height = Math.round(height * pixels);
    if (first) this.fit();
    else this.#keepInside();
    this.redraw();
  }

  /** Shows all of the hall. */
  fit() {
    this.show(this.box);
  }

  /** Shows a part of the hall. @param {Box} box */
  show(box) {
    const width = Math.max(box.right - box.left, this.hall.step * 4);
    const height = Math.max(box.bottom - box.top, this.hall.step * 4);
    this.scale = this.#allowed(Math.min(this.width / width, this.height / height));
    this.left = (box.left + box.right) / 2 - this.width / this.scale / 2;
    this.top = (box.top + box.bottom) / 2 - this.height / this.scale / 2;
    this.#scaled();
  }

  /** @param {number} scale */
  #allowed(scale) {
    const whole = Math.min(this.width / (this.box.right - this.box.left), this.height / (this.box.bottom - this.box.top));
    const largest = LARGEST_SEAT / (this.hall.radius * 2);
    return Math.max(Math.min(whole, largest), Math.min(scale, largest));
  }

  /** @param {number} factor @param {number} [x] of the canvas, what stays in its place @param {number} [y] */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const worldX = this.left + x / this.scale;
    const worldY = this.top + y / this.scale;
    this.scale = this.#allowed(this.scale * factor);
    this.left = worldX - x / this.scale;
    this.top = worldY - y / this.scale;
    this.#scaled();
  }

  /** @param {number} byX CSS pixels @param {number} byY */
  pan(byX, byY) {
    this.left -= byX / this.scale;
    this.top -= byY / this.scale;
    this.#keepInside();
    this.draw();
  }

  #scaled() {
    this.#keepInside();
    clearTimeout(this.settled);
    this.settled = window.setTimeout(() => this.#settle(), SETTLED_MILLISECONDS);
    this.draw();
  }

  #settle() {
    if (this.layer.scale === this.scale || !this.showsSeats) return;
    if (this.layer.tiles.size) this.before = this.layer;
    this.layer = newLayer(this.scale);
    this.draw();
  }

  /** The middle of the canvas stays over the hall. */
  #keepInside() {
    const { box } = this;
    const halfWidth = this.width / this.scale / 2;
    const halfHeight = this.height / this.scale / 2;
    const x = this.left + halfWidth;
    const y = this.top + halfHeight;
    this.left = (box.right - box.left < halfWidth * 2 ? (box.left + box.right) / 2 : Math.min(box.right, Math.max(box.left, x))) - halfWidth;
    this.top = (box.bottom - box.top < halfHeight * 2 ? (box.top + box.bottom) / 2 : Math.min(box.bottom, Math.max(box.top, y))) - halfHeight;
  }

  /** Brings a seat into view, near enough to be seen, or an area. @param {number} seat */
  reveal(seat) {
    const { hall } = this;
    if (seat < hall.count && this.seatSize < SHAPED_SEAT) {
      const around = (hall.step * this.width) / 2 / 18;
      this.show({ left: at(hall.x, seat) - around, right: at(hall.x, seat) + around, top: at(hall.y, seat), bottom: at(hall.y, seat) });
    }
    const { x, y } = this.placeOf(seat);
    const margin = Math.min(48, this.width / 4, this.height / 4);
    const off = (/** @type {number} */ place, /** @type {number} */ size) => (place < margin ? margin - place : place > size - margin ? size - margin - place : 0);
    this.pan(off(x, this.width), off(y, this.height));
  }

  /** Where a seat or an area is on the canvas. @param {number} seat */
  placeOf(seat) {
    const { x, y } = this.hall.placeOf(seat);
    return { x: (x - this.left) * this.scale, y: (y - this.top) * this.scale };
  }

  /** The seat at a place of the canvas, if seats are large enough, else the area; -1: none. @param {number} x @param {number} y @param {number} within CSS pixels */
  seatAt(x, y, within) {
    const { hall } = this;
    const worldX = this.left + x / this.scale;
    const worldY = this.top + y / this.scale;
    const most = this.showsSeats ? Math.max(hall.radius, Math.min(within / this.scale, hall.step * 0.7)) : hall.step;
    const seat = hall.grid.nearest(worldX, worldY, most);
    if (seat >= 0) return this.showsSeats ? seat : -1;
    const area = hall.areas.findLastIndex(({ left, top, right, bottom }) => worldX >= left && worldX <= right && worldY >= top && worldY <= bottom);
    return area < 0 ? -1 : hall.count + area;
  }

  /** What is at a place when seats are too small: the part of the hall to go to. @param {number} x @param {number} y @returns {Box} */
  partAt(x, y) {
    const worldX = this.left + x / this.scale;
    const worldY = this.top + y / this.scale;
    const across = (this.hall.radius * 2 * this.width) / (LEAST_SEAT * 2.5);
    const high = (across * this.height) / this.width;
    return { left: worldX - across / 2, right: worldX + across / 2, top: worldY - high / 2, bottom: worldY + high / 2 };
  }

  /** @param {number[] | null} seats */
  #changed(seats) {
    const { hall } = this;
    this.free = hall.sections.map((section) => hall.free(section.first, section.end));
    if (seats === null) {
      this.redraw();
      return;
    }
    const { scale, tiles } = this.layer;
    if (scale) {
      for (const seat of seats) {
        const x = (at(hall.x, seat) * scale) / TILE;
        const y = (at(hall.y, seat) * scale) / TILE;
        const around = (hall.step * scale) / TILE;
        for (let column = Math.floor(x - around); column <= Math.floor(x + around); column += 1) {
          for (let line = Math.floor(y - around); line <= Math.floor(y + around); line += 1) {
            const tile = tiles.get(`${column},${line}`);
            if (tile) tile.stale = true;
          }
        }
      }
    }
    this.draw();
  }

  /** All that was drawn is drawn anew: another theme, other tiers. */
  redraw() {
    this.before = null;
    this.layer = newLayer(this.showsSeats ? this.scale : 0);
    this.draw();
  }

  draw() {
    if (this.frame || !this.width) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.#paint();
    });
  }

  #paint() {
    const { context, colours, pixels, scale } = this;
    context.setTransform(pixels, 0, 0, pixels, 0, 0);
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, this.width, this.height);
    this.#paintAreas();
    this.#paintShapes();
    if (this.showsSeats) {
      if (this.layer.scale === 0) this.layer = newLayer(scale);
      if (this.before) this.#paintTiles(this.before, false);
      const missing = this.#paintTiles(this.layer, this.layer.scale === scale);
      if (missing) this.draw();
      else if (this.layer.scale === scale) this.before = null;
    }
    this.#paintMine();
  }

  /** Where people stand, from far and from near. */
  #paintAreas() {
    const { context, colours, hall, look, scale } = this;
    hall.areas.forEach((area, index) => {
      const { pool } = area;
      const isHere = this.focus === hall.count + index;
      // What of it is in view; where the keyboard is, all of its frame.
      const edge = isHere ? 2 : -8;
      const left = Math.max(edge, (area.left - this.left) * scale);
      const right = Math.min(this.width - edge, (area.right - this.left) * scale);
      const top = Math.max(edge, (area.top - this.top) * scale);
      const bottom = Math.min(this.height - edge, (area.bottom - this.top) * scale);
      if (left >= right || top >= bottom) return;
      const isOpen = pool.available > 0 && look.isShown(pool.tier);
      const [own, free] = look.words(pool);
      context.beginPath();
      context.roundRect(left, top, right - left, bottom - top, 6);
      const isFilled = isOpen && !colours.isForced; // a frame of the same colour would not be seen
      context.fillStyle = isFilled ? this.#tierColour(pool.tier) : colours.soft;
      context.fill();
      context.strokeStyle = isHere ? colours.text : own ? colours.mine : isOpen ? colours.line : colours.held;
      context.lineWidth = own || isHere ? 4 : 1.5;
      context.setLineDash(pool.available ? [] : [6, 5]);
      context.stroke();
      context.setLineDash([]);
      if (right - left < NAMED_PIXELS) return;
      const lines = [this.#named(pool), own, free].filter(Boolean).slice(0, (bottom - top) / LINE_PIXELS);
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillStyle = isFilled ? colours.on : colours.text;
      lines.forEach((line, no) => {
        context.font = `${no ? "" : "600 "}13px ${colours.font}`;
        context.fillText(line, (left + right) / 2, (top + bottom + (no * 2 - lines.length + 1) * LINE_PIXELS) / 2, right - left - 8);
      });
    });
  }

  /** The sections and the stage; under the seats they are pale. */
  #paintShapes() {
    const { context, colours, hall, scale, pixels, look } = this;
    const far = !this.showsSeats;
    context.setTransform(pixels * scale, 0, 0, pixels * scale, -this.left * scale * pixels, -this.top * scale * pixels);
    context.lineJoin = "round";
    context.lineWidth = hall.step;
    hall.sections.forEach((section, index) => {
      const path = /** @type {Path2D} */ (this.paths[index]);
      const colour = far && look.isShown(section.tier) && this.free[index] ? this.#tierColour(section.tier) : colours.soft;
      if (colours.isForced && colour === colours.soft) {
        context.strokeStyle = far ? colours.held : colours.line;
        context.lineWidth = hall.step + 3 / scale;
        context.stroke(path);
        context.lineWidth = hall.step;
      }
      context.fillStyle = context.strokeStyle = colour;
      context.fill(path);
      context.stroke(path);
    });
    const { box } = hall;
    const wide = (box.right - box.left) * 0.3;
    context.fillStyle = colours.soft;
    const high = Math.max(hall.step * 1.6, STAGE_PIXELS / scale);
    const bottom = box.top - hall.step * 1.6;
    context.fillRect((box.left + box.right) / 2 - wide / 2, bottom - high, wide, high);
    if (colours.isForced) {
      context.strokeStyle = colours.line;
      context.lineWidth = 1.5 / scale;
      context.strokeRect((box.left + box.right) / 2 - wide / 2, bottom - high, wide, high);
    }
    context.setTransform(pixels, 0, 0, pixels, 0, 0);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = colours.text;
    context.font = `${STAGE_PIXELS * 0.8}px ${colours.font}`;
    context.fillText(look.stage, ((box.left + box.right) / 2 - this.left) * scale, (bottom - high / 2 - this.top) * scale);
    if (far) this.#paintNames();
  }

  #paintNames() {
    const { context, colours, hall, scale } = this;
    hall.sections.forEach((section, index) => {
      const x = (section.x - this.left) * scale;
      const y = (section.y - this.top) * scale;
      const most = (section.width + hall.step) * scale;
      if (most < NAMED_PIXELS) return;
      const dark = this.free[index] && this.look.isShown(section.tier);
      context.fillStyle = dark ? colours.on : colours.text;
      context.font = `600 13px ${colours.font}`;
      context.fillText(this.#named(section), x, y - 8, most);
      context.font = `12px ${colours.font}`;
      context.fillText(this.free[index] ? `${this.free[index]} ●` : "×", x, y + 9, most);
    });
  }

  /** A part of the hall by its name, with its price's shape where that has no colour. @param {{name: string, tier: string}} part */
  #named({ name, tier }) {
    return this.colours.isForced ? `${markOf(this.look.tierIndex(tier)).sign} ${name}` : name;
  }

  /** @param {string} tier */
  #tierColour(tier) {
    return this.colours.tiers[this.look.tierIndex(tier) % TIERS] || this.colours.text;
  }

  /** Copies the tiles that are in view, and draws some of those that are missing. @param {Layer} layer @param {boolean} make @returns {boolean} whether some are missing still */
  #paintTiles(layer, make) {
    const { context, scale } = this;
    const began = performance.now();
    const size = TILE / layer.scale;
    const shown = size * scale;
    let missing = false;
    const lastColumn = Math.floor((this.left + this.width / scale) / size);
    const lastLine = Math.floor((this.top + this.height / scale) / size);
    for (let column = Math.floor(this.left / size); column <= lastColumn; column += 1) {
      for (let line = Math.floor(this.top / size); line <= lastLine; line += 1) {
        const key = `${column},${line}`;
        let tile = layer.tiles.get(key);
        if (make && (!tile || tile.stale)) {
          if (performance.now() - began < TILE_MILLISECONDS) tile = this.#makeTile(layer, key, column, line);
          else missing = true;
        }
        if (tile) context.drawImage(tile.canvas, (column * size - this.left) * scale, (line * size - this.top) * scale, shown, shown);
      }
    }
    return missing;
  }

  /** @param {Layer} layer @param {string} key @param {number} column @param {number} line @returns {Tile} */
  #makeTile(layer, key, column, line) {
    const { hall, pixels } = this;
    const old = layer.tiles.get(key);
    const tile = old ?? { canvas: newCanvas(TILE * pixels), stale: false, column, line };
    tile.stale = false;
    layer.tiles.delete(key);
    layer.tiles.set(key, tile); // the newest is the last to go
    if (layer.tiles.size > MOST_TILES) layer.tiles.delete(/** @type {string} */ (layer.tiles.keys().next().value));
    const context = /** @type {CanvasRenderingContext2D} */ (tile.canvas.getContext("2d"));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, tile.canvas.width, tile.canvas.height);
    context.setTransform(pixels, 0, 0, pixels, 0, 0);
    const size = TILE / layer.scale;
    const margin = hall.step * 1.5;
    const left = column * size;
    const top = line * size;
    const box = { left: left - margin, top: top - margin, right: left + size + margin, bottom: top + size + margin };
    hall.grid.within(box, (seat) => this.#paintSeat(context, layer, seat, (at(hall.x, seat) - left) * layer.scale, (at(hall.y, seat) - top) * layer.scale));
    return tile;
  }

  /** @param {CanvasRenderingContext2D} context @param {Layer} layer @param {number} seat @param {number} x @param {number} y */
  #paintSeat(context, layer, seat, x, y) {
    const { hall, colours, look } = this;
    const size = hall.radius * 2 * layer.scale;
    const row = hall.rowOfSeat(seat);
    const { tier } = hall.sectionOfSeat(seat);
    const state = at(hall.state, seat);
    const isDim = !look.isShown(tier);
    if (size < SHAPED_SEAT && !colours.isForced) {
      const part = state === FREE ? size : size * 0.4;
      context.globalAlpha = isDim ? 0.25 : 1;
      context.fillStyle = state === FREE ? this.#tierColour(tier) : colours.sold;
      context.fillRect(x - part / 2, y - part / 2, part, part);
      context.globalAlpha = 1;
      return;
    }
    const name = state === FREE ? `${look.tierIndex(tier) % TIERS}${isDim ? "-" : ""}` : state === HELD ? "held" : "sold";
    const sprite = layer.sprites.get(name) ?? this.#makeSprite(layer, name, state, tier, isDim, size);
    const across = sprite.width / this.pixels;
    context.drawImage(sprite, x - across / 2, y - across / 2, across, across);
    context.textAlign = "center";
    context.textBaseline = "middle";
    if (size >= NUMBERED_SEAT && state === FREE && !isDim) {
      context.fillStyle = colours.on;
      context.font = `600 ${Math.min(size * 0.42, 15)}px ${colours.font}`;
      const { middle, room } = markOf(colours.isForced ? look.tierIndex(tier) : 0);
      context.fillText(/** @type {string} */ (hall.numbers[seat]), x, y + (middle * size) / 2, size * room);
    }
    if (seat === row.first) {
      context.fillStyle = colours.muted;
      context.font = `${Math.min(size * 0.7, 14)}px ${colours.font}`;
      context.fillText(row.label, x - hall.step * layer.scale, y);
    }
  }

  /** One seat as it looks, to be copied. @param {Layer} layer @param {string} name @param {number} state @param {string} tier @param {boolean} isDim @param {number} size */
  #makeSprite(layer, name, state, tier, isDim, size) {
    const { pixels, colours } = this;
    const across = Math.ceil((size * 1.15 + 2) * pixels);
    const canvas = newCanvas(across);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.setTransform(pixels, 0, 0, pixels, across / 2, across / 2);
    const radius = size / 2;
    context.globalAlpha = isDim && !colours.isForced ? 0.25 : 1;
    if (state === FREE) {
      context.fillStyle = this.#tierColour(tier);
      if (colours.isForced) markOf(this.look.tierIndex(tier)).path(context, isDim ? radius * 0.8 : radius);
      else circle(context, radius);
      if (colours.isForced && isDim) {
        context.strokeStyle = colours.held;
        context.lineWidth = Math.max(1, radius * 0.15);
        context.stroke();
      } else context.fill();
    } else if (state === HELD) {
      context.strokeStyle = context.fillStyle = colours.held;
      context.lineWidth = Math.max(1, radius * 0.15);
      circle(context, radius * 0.8);
      context.stroke();
      context.beginPath();
      context.arc(0, 0, radius * 0.8, -Math.PI / 2, Math.PI / 2);
      context.fill();
    } else if (state === SOLD || state === BLOCKED) {
      context.strokeStyle = colours.sold;
      context.lineWidth = Math.max(1, radius * 0.22);
      const arm = radius * 0.5;
      context.beginPath();
      context.moveTo(-arm, -arm);
      context.lineTo(arm, arm);
      context.moveTo(arm, -arm);
      context.lineTo(-arm, arm);
      context.stroke();
    }
    layer.sprites.set(name, canvas);
    return canvas;
  }

  /** One's own seats, those that are asked for, and where the keyboard is: few, so drawn each time. */
  #paintMine() {
    const { context, colours, look } = this;
    const radius = Math.max(this.seatSize / 2, 4);
    for (const seat of new Set([...look.mine, ...look.pending])) {
      const { x, y } = this.placeOf(seat);
      context.setTransform(this.pixels, 0, 0, this.pixels, x * this.pixels, y * this.pixels);
      context.fillStyle = colours.ground;
      circle(context, radius + 1);
      context.fill();
      context.fillStyle = context.strokeStyle = colours.mine;
      context.lineWidth = Math.max(1.5, radius * 0.2);
      circle(context, radius - context.lineWidth / 2);
      if (look.pending.has(seat)) {
        context.setLineDash([radius * 0.5, radius * 0.4]);
        context.stroke();
        context.setLineDash([]);
        continue;
      }
      context.fill();
      context.strokeStyle = colours.onMine;
      context.beginPath();
      context.moveTo(-radius * 0.45, 0);
      context.lineTo(-radius * 0.1, radius * 0.35);
      context.lineTo(radius * 0.5, -radius * 0.35);
      context.stroke();
    }
    if (this.focus >= 0 && this.focus < this.hall.count) {
      const { x, y } = this.placeOf(this.focus);
      context.setTransform(this.pixels, 0, 0, this.pixels, x * this.pixels, y * this.pixels);
      context.strokeStyle = colours.focus;
      context.lineWidth = 3;
      circle(context, radius + 4);
      context.stroke();
    }
  }
}

/** @param {number} scale @returns {Layer} */
const newLayer = (scale) => ({ scale, tiles: new Map(), sprites: new Map() });

/** @param {number} side device pixels */
function newCanvas(side) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.max(1, Math.round(side));
  return canvas;
}

/** @param {CanvasRenderingContext2D} context @param {number} radius */
function circle(context, radius) {
  context.beginPath();
  context.arc(0, 0, Math.max(radius, 0.5), 0, Math.PI * 2);
}

/** @param {number[]} points */
function pathOf(points) {
  const path = new Path2D();
  for (let index = 0; index < points.length; index += 2) path.lineTo(points[index] ?? 0, points[index + 1] ?? 0);
  path.closePath();
  return path;
}
