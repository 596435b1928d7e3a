/** A booking's course, as its buyer and its organizer are told it. */
import { api, take } from "../core/api.js";
import { t } from "../core/i18n.js";
import { useLoad } from "../core/load.js";

/** @typedef {import("api").components["schemas"]["TimelineEntry"]} Entry */

/** The steps that read the same to both, in words. @type {Record<string, () => string>} */
export const STEPS = {
  RESERVE_REFUSED: () => t("The tickets could not be held."),
  CHARGED: () => t("The payment was made."),
  CHARGE_REFUSED: () => t("The payment was refused."),
  GIVEN_BACK: () => t("The charge was refunded."),
  RELEASED: () => t("The tickets were released."),
  REFUNDED: () => t("The money was refunded."),
  RESTOCKED: () => t("The tickets were released."),
  RECLAIMED: () => t("The payment came late, but the same tickets were still available."),
  RECLAIM_REFUSED: () => t("The payment came late, and the tickets were no longer available."),
  PAID_LATE: () => t("A payment came after the time had run out."),
  GIVE_UP: () => t("The booking was abandoned."),
  CANCEL: () => t("The booking was cancelled."),
  EVENT_CANCELLED: () => t("The event was cancelled."),
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
