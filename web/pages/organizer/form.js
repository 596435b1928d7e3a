/** The form of an event: what it is, where, when, its prices and terms. */
import { useEffect, useState } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useLoad } from "../../core/load.js";
import { CATEGORY_LIST, categoryName } from "../../parts/event.js";
import { Suggestions } from "../../parts/suggestions.js";
import { Button, Field, Note, Spinner, Trouble, valuesOf } from "../../parts/ui.js";
import { Unsaved } from "../../parts/unsaved.js";
import { allVenues } from "./venues.js";
import { fromLocal, isZone, ownZone, toLocal } from "./zone.js";

/** @typedef {import("./status.js").Event} Event */
/** @typedef {import("api").components["schemas"]["NewEvent"]} NewEvent */
/** @typedef {import("api").components["schemas"]["Venue"]} Venue */
/** @typedef {{id: string | null, name: string, price: string, section_ids: string[], capacity: string}} TierInput */

const DAY = 86_400_000;

/** @type {() => TierInput} */
const emptyTier = () => ({ id: null, name: "", price: "", section_ids: [], capacity: "100" });

/** @param {Event | undefined} event @returns {TierInput[]} */
function tiersOf(event) {
  if (!event) return [emptyTier()];
  return event.tiers.map((tier) => ({
    id: tier.id,
    name: tier.name,
    price: String(tier.price.amount / 10 ** format.digits(event.currency)),
    section_ids: tier.section_ids,
    capacity: tier.capacity === null ? "" : String(tier.capacity),
  }));
}

/**
 * What the form says, as the API takes it.
 *
 * @param {Record<string, string>} values
 * @param {TierInput[]} tiers
 */
function eventOf(values, tiers) {
  const zone = values.timezone ?? "";
  const currency = (values.currency ?? "").toUpperCase();
  const time = (/** @type {string} */ name) => (values[name] ? fromLocal(values[name], zone) : null);
  return {
    title: (values.title ?? "").trim(),
    description: values.description ?? "",
    category: /** @type {Event["category"]} */ (values.category),
    venue_id: values.venue_id || null,
    location: values.venue_id ? null : (values.location ?? "").trim(),
    timezone: zone,
    starts_at: time("starts_at") ?? "",
    ends_at: time("ends_at") ?? "",
    doors_at: time("doors_at"),
    sales_from: time("sales_from"),
    sales_to: time("sales_to"),
    currency,
    max_per_customer: Number(values.max_per_customer),
    refund_policy: { until_hours_before: Number(values.until_hours_before), percent: Number(values.percent) },
    tax_percent: Number(values.tax_percent),
    terms: values.terms ?? "",
    tiers: tiers.map((tier) => ({
      ...(tier.id && { id: tier.id }),
      name: tier.name.trim(),
      price: Math.round(Number(tier.price) * 10 ** format.digits(currency)),
      ...(values.venue_id ? { section_ids: tier.section_ids } : { capacity: Number(tier.capacity) }),
    })),
  };
}

/**
 * @param {{event?: Event, action: {busy: boolean, error: unknown, run: (event: ReturnType<typeof eventOf>) => unknown}, yes: string, children?: any}} props
 *   event: what is changed; absent: a new one
 */
export function EventForm({ event, action, yes, children }) {
  const venues = useLoad(allVenues, []);
  const [venueId, setVenueId] = useState(event?.venue?.id ?? "");
  const [zone, setZone] = useState(event?.timezone ?? ownZone());
  const [currency, setCurrency] = useState(event?.currency ?? "NPR");
  const [tiers, setTiers] = useState(() => tiersOf(event));
  const [fault, setFault] = useState("");
  const [isTouched, setTouched] = useState(false);
  useEffect(() => setTouched(false), [event]); // it is saved, and read anew
  const error = action.error;
  const known = venues.data ?? (event?.venue ? [event.venue] : []);
  // The list of venues has none of their sections.
  const read = useLoad(async (signal) => (venueId ? take(api.GET("/api/v1/venues/{venue_id}", { params: { path: { venue_id: venueId } }, signal, cache: "no-store" })) : null), [venueId], event?.venue ?? undefined);
  const venue = read.data?.id === venueId ? read.data : undefined;
  useEffect(() => {
    if (venue && venue.id !== event?.venue?.id) setZone(venue.timezone);
  }, [venue?.id]);

  const submit = (/** @type {SubmitEvent} */ submitted) => {
    const values = valuesOf(submitted);
    setFault("");
    if (venueId && !venue) return setFault(t("The sections of the venue are not there yet. Wait a moment and try again."));
    if (!isZone(values.timezone ?? "")) return setFault(t("There is no such time zone. An example: Asia/Kathmandu."));
    if (!/^[a-z]{3}$/i.test(values.currency ?? "")) return setFault(t("A currency has three letters, such as NPR."));
    const sections = new Set(venue?.sections.map((section) => section.id));
    const kept = tiers.map((tier) => ({ ...tier, section_ids: tier.section_ids.filter((id) => sections.has(id)) }));
    return action.run(eventOf(values, kept));
  };
  const at = (/** @type {string | null | undefined} */ time) => (time ? toLocal(time, event?.timezone ?? "UTC") : "");

  return html`<${Unsaved} there=${isTouched} /><form onSubmit=${submit} onInput=${() => setTouched(true)} class="narrow event-form">
    <fieldset><legend>${t("About the event")}</legend>
      <${Field} label=${t("Title")} name="title" maxlength="200" defaultValue=${event?.title ?? ""} error=${error} />
      <${Field} as="textarea" label=${t("Description")} name="description" optional=${true} defaultValue=${event?.description ?? ""} error=${error} />
      <${Field} as="select" label=${t("Category")} name="category" error=${error}>
        ${CATEGORY_LIST.map((category) => html`<option value=${category} selected=${category === event?.category}>${categoryName(category)}</option>`)}
      <//>
    </fieldset>
    <fieldset><legend>${t("Location")}</legend>
      <${Trouble} error=${venues.error} retry=${venues.reload} />
      <${Field} as="select" label=${t("Venue")} name="venue_id" optional=${true} value=${venueId} onChange=${(/** @type {any} */ change) => setVenueId(change.currentTarget.value)} error=${error} hint=${t("A venue has sections and seats. Without one, the event sells general admission tickets.")}>
        <option value="">${t("Without a venue: general admission")}</option>
        ${known.map((one) => html`<option key=${one.id} value=${one.id}>${`${one.name}, ${one.city}`}</option>`)}
      <//>
      ${!venueId && html`<${Field} label=${t("Place")} name="location" maxlength="300" defaultValue=${event?.location ?? ""} error=${error} />`}
    </fieldset>
    <fieldset><legend>${t("Date and time")}</legend>
      <${Field} label=${t("Time zone")} name="timezone" list="time-zones" value=${zone} onInput=${(/** @type {any} */ input) => setZone(input.currentTarget.value)} hint=${t("All times here are what clocks show there. An example: Asia/Kathmandu.")} error=${error} />
      <${Suggestions} id="time-zones" of="timeZone" />
      <div class="row">
        <${Field} type="datetime-local" label=${t("Starts")} name="starts_at" defaultValue=${event ? at(event.starts_at) : `${toLocal(Date.now() + 30 * DAY, "UTC").slice(0, 10)}T19:00`} error=${error} />
        <${Field} type="datetime-local" label=${t("Ends")} name="ends_at" defaultValue=${event ? at(event.ends_at) : `${toLocal(Date.now() + 30 * DAY, "UTC").slice(0, 10)}T22:00`} error=${error} />
        <${Field} type="datetime-local" label=${t("Doors open")} name="doors_at" optional=${true} defaultValue=${at(event?.doors_at)} error=${error} />
      </div>
    </fieldset>
    <fieldset><legend>${t("Prices")}</legend>
      <${Field} label=${t("Currency")} name="currency" list="currencies" maxlength="3" value=${currency} onInput=${(/** @type {any} */ input) => setCurrency(input.currentTarget.value)} hint=${t("Three letters, such as NPR.")} error=${error} />
      <${Suggestions} id="currencies" of="currency" />
      ${venueId && !venue && (read.error ? html`<${Trouble} error=${read.error} retry=${read.reload} />` : html`<${Spinner} />`)}
      ${tiers.map((tier, number) => html`<${TierFields}
        key=${number}
        number=${number}
        tier=${tier}
        venue=${venue}
        isCounted=${!venueId}
        currency=${currency}
        onChange=${(/** @type {TierInput} */ changed) => setTiers(tiers.map((one, at_) => (at_ === number ? changed : one)))}
        onRemove=${() => setTiers(tiers.filter((_one, at_) => at_ !== number))}
      />`)}
      <${Button} onClick=${() => setTiers([...tiers, emptyTier()])}>${t("Add a price")}<//>
    </fieldset>
    <fieldset><legend>${t("Sale")}</legend>
      <div class="row">
        <${Field} type="datetime-local" label=${t("Sale from")} name="sales_from" optional=${true} defaultValue=${at(event?.sales.from)} hint=${t("If empty: as soon as it is published.")} error=${error} />
        <${Field} type="datetime-local" label=${t("Sale until")} name="sales_to" optional=${true} defaultValue=${event && event.sales.to !== event.starts_at ? at(event.sales.to) : ""} hint=${t("If empty: until it starts.")} error=${error} />
      </div>
      <div class="row">
        <${Field} type="number" label=${t("Maximum tickets per person")} name="max_per_customer" min="1" defaultValue=${event?.max_per_customer ?? 10} error=${error} />
        <${Field} type="number" label=${t("Tax on the prices, percent")} name="tax_percent" min="0" max="100" step="0.01" defaultValue=${event?.tax_percent ?? 0} error=${error} />
      </div>
      <div class="row">
        <${Field} type="number" label=${t("Cancellation until, hours before the start")} name="until_hours_before" min="0" defaultValue=${event?.refund_policy.until_hours_before ?? 24} error=${error} />
        <${Field} type="number" label=${t("Refund, percent")} name="percent" min="0" max="100" defaultValue=${event?.refund_policy.percent ?? 100} error=${error} />
      </div>
      <${Field} as="textarea" label=${t("Terms a buyer agrees to")} name="terms" optional=${true} defaultValue=${event?.terms ?? ""} error=${error} />
    </fieldset>
    ${fault && html`<${Note} kind="bad">${fault}<//>`}
    <${Trouble} error=${error} />
    ${children}
    <div class="actions"><${Button} kind="primary" type="submit" busy=${action.busy}>${yes}<//></div>
  </form>`;
}

/**
 * @param {{number: number, tier: TierInput, venue: Venue | undefined, isCounted: boolean, currency: string, onChange: (tier: TierInput) => void, onRemove: () => void}} props
 */
function TierFields({ number, tier, venue, isCounted, currency, onChange, onRemove }) {
  const set = (/** @type {Partial<TierInput>} */ change) => onChange({ ...tier, ...change });
  const legend = t("Price {number}", { number: format.number(number + 1) });
  return html`<fieldset class="tier"><legend>${legend}</legend>
    <div class="row">
      <${Field} label=${t("Name")} name=${`tier-${number}-name`} maxlength="60" value=${tier.name} onInput=${(/** @type {any} */ input) => set({ name: input.currentTarget.value })} />
      <${Field} type="number" label=${t("Price in {currency}", { currency })} name=${`tier-${number}-price`} min="0" step="any" value=${tier.price} onInput=${(/** @type {any} */ input) => set({ price: input.currentTarget.value })} />
      ${isCounted && html`<${Field} type="number" label=${t("Tickets")} name=${`tier-${number}-capacity`} min="1" value=${tier.capacity} onInput=${(/** @type {any} */ input) => set({ capacity: input.currentTarget.value })} />`}
    </div>
    ${venue && html`<div role="group" aria-label=${t("Sections with this price")}>
      <p>${venue.sections.length ? t("Sections with this price") : t("This venue has no sections yet: add them in its plan.")}</p>
      <div class="seats">${venue.sections.map((section) => html`<label class="seat-choice" key=${section.id}>
        <input type="checkbox" checked=${tier.section_ids.includes(section.id)} onChange=${(/** @type {any} */ change) =>
          set({ section_ids: change.currentTarget.checked ? [...tier.section_ids, section.id] : tier.section_ids.filter((id) => id !== section.id) })} />
        ${`${section.name} (${format.number(section.capacity)})`}
      </label>`)}</div>
    </div>`}
    <${Button} kind="quiet" onClick=${onRemove}>${t("Remove")}<span class="visually-hidden"> ${legend}</span><//>
  </fieldset>`;
}
