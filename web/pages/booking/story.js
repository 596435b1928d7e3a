/** What happened to a booking, step by step, in words. */
import { api, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useLoad } from "../../core/load.js";
import { refusalWords } from "../../parts/payment.js";
import { Card, Loaded, When } from "../../parts/ui.js";

/** @typedef {import("api").components["schemas"]["TimelineEntry"]} Entry */

const STEPS = /** @type {Record<string, () => string>} */ ({
  CREATED: () => t("You asked for the places."),
  RESERVED: () => t("The places were kept for you."),
  RESERVE_REFUSED: () => t("The places could not be kept."),
  CHARGED: () => t("The payment was made."),
  CHARGE_REFUSED: () => t("The payment was refused."),
  ACTION_REQUIRED: () => t("The provider asked you to go on there."),
  NEW_ATTEMPT: () => t("You tried to pay again."),
  SOLD: () => t("The places are yours."),
  GIVEN_BACK: () => t("What had been charged was given back."),
  RELEASED: () => t("The places went on sale again."),
  REFUNDED: () => t("The money went back."),
  RESTOCKED: () => t("The places went on sale again."),
  RECLAIMED: () => t("The payment came late, and the same places could be had again."),
  RECLAIM_REFUSED: () => t("The payment came late, and the places were gone."),
  PAID_LATE: () => t("A payment came after the time had run out."),
  PAID_BACK: () => t("The organizer gave money back."),
  DEADLINE: () => t("No answer came in time, so it was asked again, or given back."),
  GIVE_UP: () => t("The booking was given up."),
  CANCEL: () => t("The booking was cancelled."),
  EVENT_CANCELLED: () => t("The event was called off."),
});

/** An entry in words. @param {Entry} entry */
export function stepWords(entry) {
  const words = STEPS[entry.step]?.() ?? entry.step.toLowerCase().replaceAll("_", " ");
  if (entry.step === "CHARGE_REFUSED" && entry.detail) return `${words} ${refusalWords(entry.detail)}`;
  if (entry.step === "DEADLINE" && entry.state === "EXPIRED") return t("The time to pay ran out.");
  return words;
}

/** @param {{booking: import("../../parts/booking.js").Booking}} props */
export function Story({ booking }) {
  const entries = useLoad(
    async (signal) => (await take(api.GET("/api/v1/bookings/{reference}/timeline", { params: { path: { reference: booking.reference } }, signal }))).items,
    [booking.reference, booking.updated_at],
  );
  return html`<${Card} title=${t("What happened")}>
    <${Loaded} of=${entries}>
      ${(/** @type {Entry[]} */ all) => html`<ol class="story">
        ${all.filter((entry) => entry.outcome !== "IGNORED").map((entry) => html`<li>
          <${When} at=${entry.at} zone=${booking.event.timezone} options=${{ dateStyle: "medium", timeStyle: "medium" }} />
          <span>${stepWords(entry)}${entry.outcome === "RESENT" && ` ${t("(asked again)")}`}</span>
        </li>`)}
      </ol>`}
    <//>
  <//>`;
}
