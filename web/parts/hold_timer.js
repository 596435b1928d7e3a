/** How long one's places are kept: told on the page, now and then aloud, and prolonged by a button. */
import { useEffect, useRef } from "../vendor/hooks.js";
import { announce } from "../core/announce.js";
import { api, newKey, take } from "../core/api.js";
import * as format from "../core/format.js";
import { html } from "../core/html.js";
import { n, t } from "../core/i18n.js";
import { useAction } from "../core/load.js";
import { Problem } from "../core/problems.js";
import { Button, LinkButton, Note, Trouble, classes, useCountdown } from "./ui.js";

/** @typedef {import("api").components["schemas"]["Hold"]} Hold */

/** Told aloud when so many seconds are left. */
const TOLD_SECONDS = [300, 120, 60, 30];
const HURRY_SECONDS = 120;
const ASKED_SECONDS = 2;

/** @typedef {Exclude<Hold["status"], "ACTIVE">} HoldEnd how a hold ended: its time ran out, or it was booked or let go */

/**
 * How a hold ended, by the box office: this device's clock may be wrong, so it does not decide; null:
 * it has not ended, or nobody answers.
 *
 * @param {string} hold_id
 * @returns {Promise<HoldEnd | null>}
 */
export async function endOf(hold_id) {
  try {
    const { status } = await take(api.GET("/api/v1/holds/{hold_id}", { params: { path: { hold_id } } }));
    return status === "ACTIVE" ? null : status;
  } catch (problem) {
    return problem instanceof Problem && problem.status === 404 ? "EXPIRED" : null;
  }
}

/** What became of a hold, in words, and where to go now. @param {{how: HoldEnd, children?: any}} props children: how to choose again */
export function HoldOver({ how, children }) {
  if (how === "BOOKED") {
    return html`<${Note} kind="good">
      <p>${t("These tickets are already booked, perhaps in another window.")}</p>
      <p><${LinkButton} kind="primary" href="/tickets">${t("My tickets")}<//></p>
    <//>`;
  }
  return html`<${Note} kind=${how === "RELEASED" ? "warn" : "bad"}>
    <p>${how === "RELEASED" ? t("These tickets were released, perhaps in another window, and are on sale again.") : t("The time to buy has run out, and your tickets are on sale again. Nothing was charged.")}</p>
    ${children}
  <//>`;
}

/**
 * @param {{hold: Hold, onExtended: (hold: Hold) => void, onOver: (how: HoldEnd) => void}} props
 *   onOver: its time is over, or another window booked it or let it go
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
    if (passed) announce(passed < 60 ? t("30 seconds left to buy your tickets.") : n(passed / 60, "{n} minute left to buy your tickets.", "{n} minutes left to buy your tickets."));
    before.current = seconds;
  }, [seconds]);
  const isOver = seconds <= 0;
  const told = useRef(onOver);
  told.current = onOver;
  useEffect(() => {
    let done = false;
    const ask = async () => {
      const how = await endOf(hold.id);
      if (!how || done) return;
      done = true;
      told.current(how);
    };
    const seen = () => document.visibilityState === "visible" && void ask();
    document.addEventListener("visibilitychange", seen); // from another window, perhaps
    const timer = isOver ? setInterval(ask, ASKED_SECONDS * 1000) : undefined;
    return () => {
      done = true;
      clearInterval(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [isOver, hold.id]);
  const canGrow = hold.expires_at < hold.extendable_until;
  return html`<div class=${classes("hold-timer", seconds <= HURRY_SECONDS && "hold-timer-hurry")}>
    <p ref=${time} tabindex="-1"><span>${t("Held for you for")}</span> <b role="timer" aria-live="off">${format.countdown(seconds)}</b></p>
    ${canGrow && html`<${Button} kind="quiet" busy=${extend.busy} onClick=${() => extend.run()}>${t("More time")}<//>`}
    <${Trouble} error=${extend.error} />
  </div>`;
}
