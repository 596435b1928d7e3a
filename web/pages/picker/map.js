/** The hall as a picture: by finger, mouse or keyboard. The list beside it does the same without. */
import { useEffect, useRef, useState } from "../../vendor/hooks.js";
import { announce } from "../../core/announce.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { theme } from "../../core/preferences.js";
import { effect } from "../../vendor/signals.js";
import { Button } from "../../parts/ui.js";
import { View } from "./view.js";

/** @typedef {import("./hall.js").Hall} Hall */
/** @typedef {import("./view.js").Look} Look */

const ZOOM_STEP = 1.5;
/** A press that moves farther is a drag. */
const STILL_PIXELS = 8;
const FINGER_PIXELS = 22;
const MOUSE_PIXELS = 6;
/** Two taps at one place within so long are one thing: they go nearer. */
const DOUBLE_TAP_MILLISECONDS = 300;
/** What changes the colours of the page. */
const COLOURED_BY = ["(prefers-color-scheme: dark)", "(forced-colors: active)", "(prefers-contrast: more)"].map((query) => matchMedia(query));
const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

/**
 * @param {{hall: Hall, look: Look, label: (seat: number) => string, onPick: (seat: number) => void}} props
 */
export function SeatMap({ hall, look, label, onPick }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const view = useRef(/** @type {View | null} */ (null));
  const last = useRef({ look, onPick, label });
  last.current = { look, onPick, label };
  const [hint, setHint] = useState({ seat: -1, x: 0, y: 0 });

  useEffect(() => {
    const element = /** @type {HTMLCanvasElement} */ (canvas.current);
    const shown = new View(element, hall, last.current.look);
    view.current = shown;
    const { left, right, top, bottom } = shown.box;
    element.style.aspectRatio = String((right - left) / (bottom - top)); // as high as the hall needs
    const sized = new ResizeObserver(() => shown.resize(element.clientWidth, element.clientHeight, Math.min(devicePixelRatio || 1, 2)));
    sized.observe(element);
    // The style sheets know of it a moment later.
    const recolour = () => void requestAnimationFrame(() => shown.readColours());
    COLOURED_BY.forEach((query) => query.addEventListener("change", recolour));
    const themed = effect(() => (theme.value, recolour()));
    const released = listen(element, shown, {
      pick: (seat) => {
        shown.focus = seat;
        last.current.onPick(seat);
      },
      hover: (seat, x, y) => setHint({ seat, x, y }),
    });
    return () => {
      sized.disconnect();
      COLOURED_BY.forEach((query) => query.removeEventListener("change", recolour));
      themed();
      released();
      shown.close();
    };
  }, [hall]);

  const tiers = hall.sections.map((section) => look.isShown(section.tier)).join();
  useEffect(() => {
    if (!view.current) return;
    view.current.look = last.current.look;
    view.current.redraw();
  }, [tiers]);
  useEffect(() => {
    if (!view.current) return;
    view.current.look = look;
    view.current.draw();
  });

  const zoom = (/** @type {number} */ factor) => view.current?.zoom(factor);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const shown = view.current;
    if (!shown || event.ctrlKey || event.metaKey || event.altKey || !hall.places) return;
    if (event.key === "+" || event.key === "=") zoom(ZOOM_STEP);
    else if (event.key === "-") zoom(1 / ZOOM_STEP);
    else if (event.key === "0") shown.fit();
    else if (ARROWS.includes(event.key)) {
      shown.focus = shown.focus < 0 ? firstSeat(hall) : hall.next(shown.focus, event.key);
      shown.reveal(shown.focus);
      setHint({ seat: shown.focus, ...shown.placeOf(shown.focus) });
      announce(label(shown.focus));
    } else if ((event.key === "Enter" || event.key === " ") && shown.focus >= 0) onPick(shown.focus);
    else return;
    event.preventDefault();
  };
  const onBlur = () => {
    // From a dialog one comes back to where one was.
    if (view.current && !document.querySelector("dialog[open]")) view.current.focus = -1;
    setHint({ seat: -1, x: 0, y: 0 });
  };

  return html`<div class="map">
    <canvas
      ref=${canvas}
      role="application"
      tabindex="0"
      aria-label=${t("Map of the hall")}
      aria-describedby="map-keys"
      onKeyDown=${onKeyDown}
      onBlur=${onBlur}
    ></canvas>
    ${hint.seat >= 0 && html`<div class="map-hint" aria-hidden="true" style=${placed(canvas.current, hint)}>${label(hint.seat)}</div>`}
    <div class="map-zoom" role="group" aria-label=${t("Zoom")}>
      <${Button} onClick=${() => zoom(ZOOM_STEP)} aria-label=${t("Zoom in")}>+<//>
      <${Button} onClick=${() => zoom(1 / ZOOM_STEP)} aria-label=${t("Zoom out")}>−<//>
      <${Button} onClick=${() => view.current?.fit()} aria-label=${t("Whole hall")}>⤢<//>
    </div>
    <p id="map-keys" class="visually-hidden">${t("Arrow keys move from seat to seat, Enter chooses or releases, plus and minus zoom. The list has the same seats.")}</p>
  </div>`;
}

/** Where one comes in by the keyboard: the middle of the first row; without rows the first area. @param {Hall} hall */
function firstSeat(hall) {
  if (!hall.count) return 0;
  const row = hall.row(0);
  return row.first + Math.floor((row.end - row.first) / 2);
}

/** Above the seat, within the map. @param {HTMLElement | null} canvas @param {{x: number, y: number}} at */
function placed(canvas, { x, y }) {
  const width = canvas?.clientWidth ?? 0;
  const left = Math.max(8, Math.min(x - 90, width - 188));
  return { left: `${left}px`, top: `${y > 90 ? y - 84 : y + 24}px` };
}

/**
 * Dragging, pinching, the wheel, and taps.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {View} view
 * @param {{pick: (seat: number) => void, hover: (seat: number, x: number, y: number) => void}} on
 */
function listen(canvas, view, on) {
  const ended = new AbortController();
  const { signal } = ended;
  /** @type {Map<number, {x: number, y: number}>} */
  const fingers = new Map();
  let moved = 0;
  let most = 0; // fingers, since none was there
  let hovered = -1;
  let tap = { x: 0, y: 0, at: -Infinity };

  /** @param {PointerEvent | WheelEvent} event */
  const place = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };
  /** @param {number} seat @param {{x: number, y: number}} at */
  const hover = (seat, at) => {
    if (seat === hovered) return;
    hovered = seat;
    const { x, y } = seat < 0 || seat >= view.hall.count ? at : view.placeOf(seat);
    on.hover(seat, x, y);
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (!fingers.size) moved = most = 0;
    fingers.set(event.pointerId, place(event));
    most = Math.max(most, fingers.size);
  }, { signal });

  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = fingers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") hover(view.seatAt(now.x, now.y, MOUSE_PIXELS), now);
      return;
    }
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, finger]) => finger);
    moved += Math.hypot(now.x - before.x, now.y - before.y);
    fingers.set(event.pointerId, now);
    if (other) {
      const was = Math.hypot(before.x - other.x, before.y - other.y);
      const is = Math.hypot(now.x - other.x, now.y - other.y);
      view.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
      if (was > 0) view.zoom(is / was, (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else if (moved > STILL_PIXELS) {
      hover(-1, now);
      view.pan(now.x - before.x, now.y - before.y);
    }
  }, { signal });

  /** @param {PointerEvent} event */
  const up = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    if (most > 1 || moved > STILL_PIXELS || event.type === "pointercancel") return;
    const at = place(event);
    const within = event.pointerType === "mouse" ? MOUSE_PIXELS : FINGER_PIXELS;
    const isSecond = event.timeStamp - tap.at < DOUBLE_TAP_MILLISECONDS && Math.hypot(at.x - tap.x, at.y - tap.y) <= within;
    tap = { ...at, at: isSecond ? -Infinity : event.timeStamp };
    if (isSecond) {
      if (view.showsSeats) view.zoom(ZOOM_STEP, at.x, at.y);
      return;
    }
    const seat = view.seatAt(at.x, at.y, within);
    if (seat < 0) {
      if (!view.showsSeats) view.show(view.partAt(at.x, at.y));
      return;
    }
    on.pick(seat);
    hovered = -1;
    hover(seat, at);
  };
  canvas.addEventListener("pointerup", up, { signal });
  canvas.addEventListener("pointercancel", up, { signal });
  canvas.addEventListener("pointerleave", (event) => {
    // A finger leaves with each tap: what it told of the seat stays.
    if (event.pointerType === "mouse") hover(-1, place(event));
  }, { signal });

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = place(event);
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    // A pinch on a touchpad comes as a wheel with Ctrl, in smaller steps.
    view.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018)), x, y);
    hover(-1, { x, y });
  }, { signal, passive: false });

  return () => ended.abort();
}
