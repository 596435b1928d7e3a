/** A booking's course, as its buyer and its organizer are told it. */
import { api, take } from "../core/api.js";
import { t } from "../core/i18n.js";
import { useLoad } from "../core/load.js";

/** @typedef {import("api").components["schemas"]["TimelineEntry"]} Entry */

/** The steps that read the same to both, in words. @type {Record<string, () => string>} */
export const STEPS = {
  RESERVE_REFUSED: () => t("The places could not be kept."),
  CHARGED: () => t("The payment was made."),
  CHARGE_REFUSED: () => t("The payment was refused."),
  GIVEN_BACK: () => t("What had been charged was given back."),
  RELEASED: () => t("The places went on sale again."),
  REFUNDED: () => t("The money went back."),
  RESTOCKED: () => t("The places went on sale again."),
  RECLAIMED: () => t("The payment came late, and the same places could be had again."),
  RECLAIM_REFUSED: () => t("The payment came late, and the places were gone."),
  PAID_LATE: () => t("A payment came after the time had run out."),
  GIVE_UP: () => t("The booking was given up."),
  CANCEL: () => t("The booking was cancelled."),
  EVENT_CANCELLED: () => t("The event was called off."),
};

/**
 * What happened to a booking; what came too late to matter is left out.
 *
 * @param {string} reference
 * @param {string} [version] read anew when it changes
 */
export function useTimeline(reference, version) {
  return useLoad(
    async (signal) => {
      const { items } = await take(api.GET("/api/v1/bookings/{reference}/timeline", { params: { path: { reference } }, signal }));
      return items.filter((entry) => entry.outcome !== "IGNORED");
    },
    [reference, version],
  );
}
