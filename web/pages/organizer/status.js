/** How an event stands, as its organizer sees it. */
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { Badge } from "../../parts/ui.js";

/** @typedef {import("../../parts/event.js").Event} Event */

const STATUSES = /** @type {Record<Event["status"], [import("../../parts/ui.js").BadgeKind, () => string]>} */ ({
  DRAFT: ["info", () => t("Draft")],
  PUBLISHING: ["warn", () => t("Being published")],
  PUBLISHED: ["good", () => t("Published")],
  CANCELLED: ["bad", () => t("Cancelled")],
  COMPLETED: ["info", () => t("Ended")],
});

/** @param {{of: Event}} props */
export function StatusBadge({ of }) {
  const [kind, words] = STATUSES[of.status];
  return html`<${Badge} kind=${kind}>${words()}<//>`;
}

/**
 * What keeps a draft from going on sale, in words; the API has the last word.
 *
 * @param {Event} event with all of its venue's sections
 * @param {number} now milliseconds
 */
export function missingOf(event, now) {
  const missing = [];
  if (new Date(event.starts_at).getTime() <= now) missing.push(t("Its start is in the past: choose a later time."));
  if (new Date(event.sales.to).getTime() <= now) missing.push(t("Its sale ends in the past: choose a later time."));
  if (!event.tiers.length) missing.push(t("It has no prices."));
  if (event.venue) {
    const sections = event.venue.sections;
    if (!sections.length) missing.push(t("Its venue has no sections: add some."));
    const priced = new Set(event.tiers.flatMap((tier) => tier.section_ids));
    const bare = sections.filter((section) => !priced.has(section.id)).map((section) => section.name);
    if (bare.length) missing.push(t("These sections have no price: {names}.", { names: bare.join(", ") }));
  }
  return missing;
}
