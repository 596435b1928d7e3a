/** How long one's places are kept: told on the page, now and then aloud, and prolonged by a button. */
import { useEffect, useRef } from "../vendor/hooks.js";
import { announce } from "../core/announce.js";
import { api, newKey, take } from "../core/api.js";
import * as format from "../core/format.js";
import { html } from "../core/html.js";
import { n, t } from "../core/i18n.js";
import { useAction } from "../core/load.js";
import { Button, Trouble, classes, useCountdown } from "./ui.js";

/** @typedef {import("api").components["schemas"]["Hold"]} Hold */

/** Told aloud when so many seconds are left. */
const TOLD_SECONDS = [300, 120, 60, 30];
const HURRY_SECONDS = 120;

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
    if (before.current > 0 && seconds <= 0) onOver();
    before.current = seconds;
  }, [seconds]);
  const canGrow = hold.expires_at < hold.extendable_until;
  return html`<div class=${classes("hold-timer", seconds <= HURRY_SECONDS && "hold-timer-hurry")}>
    <p ref=${time} tabindex="-1"><span>${t("Kept for you for")}</span> <b role="timer" aria-live="off">${format.countdown(seconds)}</b></p>
    ${canGrow && html`<${Button} kind="quiet" busy=${extend.busy} onClick=${() => extend.run()}>${t("More time")}<//>`}
    <${Trouble} error=${extend.error} />
  </div>`;
}
