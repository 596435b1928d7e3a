/** Changes an event, unless somebody else did meanwhile. */
import { api, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { Problem } from "../../core/problems.js";
import { Button, Note } from "../../parts/ui.js";
import { EventForm } from "./form.js";

/** @param {{of: import("./event.js").Versioned, reload: () => Promise<void>, changed: (told: string) => Promise<void>}} props */
export function Edit({ of, reload, changed }) {
  const save = useAction(async (/** @type {import("api").components["schemas"]["EventChange"]} */ body) => {
    const changes = changesOf(of.event, body);
    if (Object.keys(changes).length) {
      await take(api.PATCH("/api/v1/events/{event_id}", { params: { path: { event_id: of.event.id }, header: { "If-Match": of.etag } }, body: changes }));
    }
    await changed(t("Saved."));
  });
  const isStale = save.error instanceof Problem && save.error.status === 412;
  if (of.event.status !== "DRAFT" && of.event.status !== "PUBLISHED") return html`<${Note}>${t("This event can't be changed any more.")}<//>`;
  return html`
    ${of.event.status === "PUBLISHED" && html`<${Note}>${t("It is on sale: who has tickets is told of another time or place, and may cancel in full for a while. What is sold keeps its price.")}<//>`}
    <${EventForm} event=${of.event} action=${save} yes=${t("Save")}>
      ${isStale && html`<${Note} kind="warn">
        <p>${t("The event was changed since you opened this page, by you elsewhere or by somebody else. Nothing was overwritten. Load it anew, and make your change again; what you typed here is lost by that.")}</p>
        <p><${Button} onClick=${reload}>${t("Load the event anew")}<//></p>
      <//>`}
    <//>
  `;
}

/**
 * What of the form differs from the event: what is the same isn't sent, since an event on sale refuses some fields.
 *
 * @param {import("./status.js").Event} event
 * @param {import("api").components["schemas"]["EventChange"]} said
 */
export function changesOf(event, said) {
  const before = /** @type {Record<string, unknown>} */ ({
    ...event,
    venue_id: event.venue?.id ?? null,
    sales_from: event.sales.from,
    sales_to: event.sales.to === event.starts_at ? null : event.sales.to,
    tiers: event.tiers.map((tier) => ({ id: tier.id, name: tier.name, price: tier.price.amount, ...(event.venue ? { section_ids: tier.section_ids } : { capacity: tier.capacity }) })),
  });
  /** @param {unknown} value */
  const text = (value) => (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value) ? new Date(value).toISOString().slice(0, 16) : JSON.stringify(value));
  return Object.fromEntries(Object.entries(said).filter(([name, value]) => text(value) !== text(before[name])));
}
