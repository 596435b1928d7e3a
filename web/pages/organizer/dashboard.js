/** The organizer's first page: figures, and their events. */
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useLoad, usePages } from "../../core/load.js";
import { query as setQuery } from "../../core/router.js";
import { user } from "../../core/session.js";
import { placeOf } from "../../parts/event.js";
import { Card, Field, Heading, LinkButton, Loaded, Money, Note, Pages } from "../../parts/ui.js";
import { Bars } from "./plot.js";
import { StatusBadge } from "./status.js";

/** @typedef {import("./status.js").Event} Event */
/** @typedef {import("api").components["schemas"]["Dashboard"]} Figures */

/** @param {{query: URLSearchParams}} props */
export default function Dashboard({ query }) {
  const figures = useLoad((signal) => take(api.GET("/api/v1/organizer/dashboard", { signal })), []);
  const status = /** @type {Event["status"] | undefined} */ (query.get("status") ?? undefined);
  const events = usePages((cursor, signal) => take(api.GET("/api/v1/organizer/events", { params: { query: { cursor, limit: 20, status } }, signal })), [status]);
  return html`
    <${Heading} title=${t("Organize")} actions=${html`<${LinkButton} kind="primary" href="/organizer/events/new">${t("New event")}<//>`} />
    <nav class="actions" aria-label=${t("For organizers")}>
      <${LinkButton} href="/organizer/venues">${t("Venues")}<//>
      <${LinkButton} href="/door">${t("Door")}<//>
      <${LinkButton} href="/organizer/webhooks">${t("Webhooks")}<//>
      <${LinkButton} href="/organizer/keys">${t("API keys")}<//>
    </nav>
    ${nameless(user.value) && html`<${Note}>${t("Your events don't say who sells them.")} <a href="/account">${t("Name your business")}</a><//>`}
    <${Loaded} of=${figures}>${(/** @type {Figures} */ of) => html`<${Numbers} of=${of} />`}<//>
    <${Card} title=${t("Your events")}>
      <${Field} as="select" label=${t("Status")} name="status" onChange=${(/** @type {any} */ change) => setQuery({ status: change.currentTarget.value })}>
        <option value="">${t("All")}</option>
        ${[["DRAFT", t("Draft")], ["PUBLISHED", t("Published")], ["COMPLETED", t("Ended")], ["CANCELLED", t("Cancelled")]].map(([value, label]) => html`<option value=${value} selected=${value === status}>${label}</option>`)}
      <//>
      <${Pages} of=${events} empty=${t("No events yet. Draft the first one; nobody sees it until you publish it.")}>
        ${(/** @type {Event} */ event) => html`<li key=${event.id} class="item">
          <div>
            <a href=${`/organizer/events/${event.id}`}><b>${event.title}</b></a> <${StatusBadge} of=${event} />
            <p class="muted small">${format.span(event.starts_at, event.ends_at, event.timezone)} · ${placeOf(event)}</p>
          </div>
          ${event.availability && html`<p>${t("{sold} of {all} taken", { sold: format.number(event.availability.capacity - event.availability.available), all: format.number(event.availability.capacity) })}</p>`}
        </li>`}
      <//>
    <//>
  `;
}

/** Whether somebody's events have no name of a business, and none waits. @param {import("../../core/session.js").User | null | undefined} me */
const nameless = (me) => me && !me.business_name && !me.requested_business_name;

const BOOKINGS = /** @type {[string, () => string][]} */ ([
  ["CONFIRMED", () => t("Confirmed")],
  ["PENDING", () => t("Awaiting payment")],
  ["CANCELLED", () => t("Cancelled")],
  ["FAILED", () => t("Not booked")],
  ["EXPIRED", () => t("Expired")],
]);

/** A figure with its name. @param {{name: string, children?: any}} props */
export const Figure = ({ name, children }) => html`<div class="figure"><dt>${name}</dt><dd>${children}</dd></div>`;

/** @param {{of: Figures}} props */
function Numbers({ of }) {
  const counts = of.bookings ?? {};
  const shown = BOOKINGS.filter(([status]) => counts[status]);
  return html`
    <dl class="figures">
      ${(of.revenue ?? []).map((row) => html`<${Figure} key=${row.net.currency} name=${t("Net revenue")}><${Money} of=${row.net} /><//>`)}
      <${Figure} name=${t("Valid tickets")}>${of.tickets === null ? "–" : format.number(of.tickets)}<//>
      <${Figure} name=${t("Events on sale")}>${of.events ? format.number(of.events.active) : "–"}<//>
      <${Figure} name=${t("Tickets held now")}>${of.holds ? format.number(of.holds.places) : "–"}<//>
    </dl>
    ${shown.length > 0 && html`<${Card} title=${t("Bookings")}>
      <${Bars} title=${t("Bookings")} of=${t("Status")} items=${shown.map(([status, words]) => ({ label: words(), value: counts[status] ?? 0, told: format.number(counts[status] ?? 0) }))} />
    <//>`}
  `;
}
