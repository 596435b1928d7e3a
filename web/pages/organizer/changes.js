/** What an event says, field by field as the API takes it, and what of a form differs from it. Everything here is pure. */

/** @typedef {import("./status.js").Event} Event */
/** @typedef {import("api").components["schemas"]["EventChange"]} EventChange */

/** @param {Event} event @returns {Record<string, unknown>} */
export const saidOf = (event) => ({
  ...event,
  venue_id: event.venue?.id ?? null,
  sales_from: event.sales.from,
  sales_to: event.sales.to === event.starts_at ? null : event.sales.to,
  tiers: event.tiers.map((tier) => ({ id: tier.id, name: tier.name, price: tier.price.amount, ...(event.venue ? { section_ids: tier.section_ids } : { capacity: tier.capacity }) })),
});

/** @param {unknown} value */
const text = (value) => (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value) ? new Date(value).toISOString().slice(0, 16) : JSON.stringify(value));

/** Whether a field says the same; times are told to the minute. @param {unknown} one @param {unknown} other */
export const isSame = (one, other) => text(one) === text(other);

/**
 * What of the form differs from the event: what is the same isn't sent, since an event on sale refuses some fields.
 *
 * @param {Event} event
 * @param {EventChange} said
 * @returns {EventChange}
 */
export function changesOf(event, said) {
  const before = saidOf(event);
  return Object.fromEntries(Object.entries(said).filter(([name, value]) => !isSame(value, before[name])));
}
