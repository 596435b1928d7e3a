/**
 * Prices by shape, for who sees the few colours of their own system alone: a canvas's seats, the legend (`.dot` of picker.css) and
 * names have the same ones. Each has room for a number.
 */

const TURN = Math.PI * 2;

/** @param {CanvasRenderingContext2D} context @param {number} radius @param {[x: number, y: number][]} corners of a seat of radius 1 */
function corners(context, radius, corners) {
  context.beginPath();
  for (const [x, y] of corners) context.lineTo(x * radius, y * radius);
  context.closePath();
}

/** @typedef {{sign: string, path: (context: CanvasRenderingContext2D, radius: number) => void, middle: number, room: number}} Mark sign: as text; path: its outline around the canvas's origin; middle: of its number, in radii; room: for it, in diameters */

/** @type {[Mark, ...Mark[]]} */
const MARKS = [
  { sign: "●", middle: 0, room: 0.85, path: (context, radius) => (context.beginPath(), context.arc(0, 0, Math.max(radius, 0.5), 0, TURN)) },
  { sign: "■", middle: 0, room: 0.85, path: (context, radius) => corners(context, radius, [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]) },
  { sign: "▲", middle: 0.25, room: 0.5, path: (context, radius) => corners(context, radius, [[0, -1.1], [1.15, 0.85], [-1.15, 0.85]]) },
  { sign: "◆", middle: 0, room: 0.7, path: (context, radius) => corners(context, radius, [[0, -1.15], [1.15, 0], [0, 1.15], [-1.15, 0]]) },
  { sign: "✚", middle: 0, room: 0.85, path: (context, radius) => corners(context, radius, [[-0.5, -1], [0.5, -1], [0.5, -0.5], [1, -0.5], [1, 0.5], [0.5, 0.5], [0.5, 1], [-0.5, 1], [-0.5, 0.5], [-1, 0.5], [-1, -0.5], [-0.5, -0.5]]) },
  { sign: "▼", middle: -0.25, room: 0.5, path: (context, radius) => corners(context, radius, [[-1.15, -0.85], [1.15, -0.85], [0, 1.1]]) },
];

/** @param {number} index of the price */
export const markOf = (index) => MARKS[index % MARKS.length] ?? MARKS[0];
