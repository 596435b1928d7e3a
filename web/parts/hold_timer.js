/** How long one's places are kept: told on the page, now and then aloud, and prolonged by a button. */
import { useEffect, useRef } from "../vendor/hooks.js";
import { announce } from "../core/announce.js";
import { api, newKey, take } from "../core/api.js";
import * as format from "../core/format.js";
import { html } from "../core/html.js";
import { n, t } from "../core/i18n.js";
import { useAction } from "../core/load.js";
import { Problem } from "../core/problems.js";
import { Button, Trouble, classes, useCountdown } from "./ui.js";

/** @typedef {import("api").components["schemas"]["Hold"]} Hold */

/** Told aloud when so many seconds are left. */
const TOLD_SECONDS = [300, 120, 60, 30];
const HURRY_SECONDS = 120;
const ASKED_SECONDS = 2;

/** Whether the box office has ended a hold. This device's clock may be wrong, so it does not decide. @param {string} hold_id */
async function isEnded(hold_id) {
  try {
    return (await take(api.GET("/api/v1/holds/{hold_id}", { params: { path: { hold_id } } }))).status !== "ACTIVE";
  } catch (problem) {
    return problem instanceof Problem && problem.status === 404;
  }
}

/**
 * @param {{hold: Hold, onExtended: (hold: Hold) => void, onOver: () => void}} props
 */
export function HoldTimer({ hold, onExtended, onOver }) {
  const seconds = useCountdown(hold.expires_at);
  const before = useRef(seconds);
  const time = useRef(/** @type {HTMLElement | null} */ (null));
  const extend = useAction(async () => {
    onExtended(await take(api.POST("/api/v1/holds/{hold_id}/extend", { params: { path: { hold_id: hold.id }, header: { "Idempotency-Key": newKey() } } })));
    announce(t("You have more time."));
    time.current?.focus(); // the button may be gone
  });
  useEffect(() => {
    const passed = TOLD_SECONDS.find((mark) => before.current > mark && seconds <= mark);
    if (passed) announce(passed < 60 ? t("30 seconds left for your places.") : n(passed / 60, "{n} minute left for your places.", "{n} minutes left for your places."));
    before.current = seconds;
  }, [seconds]);
  const isOver = seconds <= 0;
  useEffect(() => {
    if (!isOver) return undefined;
    let done = false;
    const timer = setInterval(async () => {
      if (!(await isEnded(hold.id)) || done) return;
      done = true;
      clearInterval(timer);
      onOver();
    }, ASKED_SECONDS * 1000);
    return () => {
      done = true;
      clearInterval(timer);
    };
  }, [isOver, hold.id]);
  const canGrow = hold.expires_at < hold.extendable_until;
  return html`<div class=${classes("hold-timer", seconds <= HURRY_SECONDS && "hold-timer-hurry")}>
    <p ref=${time} tabindex="-1"><span>${t("Kept for you for")}</span> <b role="timer" aria-live="off">${format.countdown(seconds)}</b></p>
    ${canGrow && html`<${Button} kind="quiet" busy=${extend.busy} onClick=${() => extend.run()}>${t("More time")}<//>`}
    <${Trouble} error=${extend.error} />
  </div>`;
}
