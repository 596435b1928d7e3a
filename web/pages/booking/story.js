/** What happened to a booking, step by step, in words. */
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { refusalWords } from "../../parts/payment.js";
import { STEPS, useTimeline } from "../../parts/timeline.js";
import { Card, Loaded, When } from "../../parts/ui.js";

/** @typedef {import("../../parts/timeline.js").Entry} Entry */

const WORDS = /** @type {Record<string, () => string>} */ ({
  ...STEPS,
  CREATED: () => t("You placed the order."),
  RESERVED: () => t("The tickets were held for you."),
  ACTION_REQUIRED: () => t("The payment provider asked you to confirm the payment."),
  NEW_ATTEMPT: () => t("You tried to pay again."),
  SOLD: () => t("The booking was confirmed."),
  PAID_BACK: () => t("The organizer made a refund."),
  DEADLINE: () => t("No answer came in time, so it was tried again, or reversed."),
});

/** An entry in words. @param {Entry} entry */
export function stepWords(entry) {
  const words = WORDS[entry.step]?.() ?? entry.step.toLowerCase().replaceAll("_", " ");
  if (entry.step === "CHARGE_REFUSED" && entry.detail) return `${words} ${refusalWords(entry.detail)}`;
  if (entry.step === "DEADLINE" && entry.state === "EXPIRED") return t("The time to pay ran out.");
  return words;
}

/** @param {{booking: import("../../parts/booking.js").Booking}} props */
export function Story({ booking }) {
  const entries = useTimeline(booking.reference, booking.updated_at);
  return html`<${Card} title=${t("History")}>
    <${Loaded} of=${entries}>
      ${(/** @type {Entry[]} */ all) => html`<ol class="story">
        ${all.map((entry) => html`<li>
          <${When} at=${entry.at} zone=${booking.event.timezone} options=${{ dateStyle: "medium", timeStyle: "medium" }} />
          <span>${stepWords(entry)}${entry.outcome === "RESENT" && ` ${t("(retried)")}`}</span>
        </li>`)}
      </ol>`}
    <//>
  <//>`;
}
