/** An event's figures: money, tickets by day and by tier, and who is in. */
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useLoad } from "../../core/load.js";
import { Card, Empty, Loaded, Money } from "../../parts/ui.js";
import { Figure } from "./dashboard.js";
import { Bars, Columns } from "./plot.js";

/** @typedef {import("api").components["schemas"]["EventSales"]} Sales */

/** @param {{event: import("./status.js").Event}} props */
export function Overview({ event }) {
  const sales = useLoad((signal) => take(api.GET("/api/v1/organizer/events/{event_id}/sales", { params: { path: { event_id: event.id } }, signal })), [event.id]);
  return html`<${Loaded} of=${sales}>${(/** @type {Sales} */ of) => html`
    <dl class="figures">
      <${Figure} name=${t("Taken")}><${Money} of=${of.revenue.gross} /><//>
      <${Figure} name=${t("Gone back")}><${Money} of=${of.revenue.refunded} /><//>
      <${Figure} name=${t("Left")}><${Money} of=${of.revenue.net} /><//>
      <${Figure} name=${t("Taken off by coupons")}><${Money} of=${of.discounts} /><//>
      <${Figure} name=${t("Tax in it")}><${Money} of=${of.tax} /><//>
      <${Figure} name=${t("Bookings")}>${format.number(of.bookings)}<//>
      <${Figure} name=${t("Good tickets")}>${format.number(of.tickets)}<//>
    </dl>
    <${Card} title=${t("Tickets by day")}>
      ${of.by_day.length
        ? html`<${Columns} title=${t("Tickets")} of=${t("Day")} items=${daysOf(of.by_day).map((day) => ({
            label: format.time(`${day.date}T12:00:00Z`, "UTC", { day: "numeric", month: "short" }),
            value: day.tickets,
            told: format.number(day.tickets),
          }))} />`
        : html`<${Empty}>${t("Nothing is sold yet.")}<//>`}
    <//>
    <${Card} title=${t("Tickets by price")}>
      <${Bars} title=${t("Tickets")} of=${t("Price")} items=${of.by_tier.map((tier) => ({ label: tier.tier, value: tier.tickets, told: `${format.number(tier.tickets)} · ${format.money(tier.amount)}` }))} />
    <//>
    <${Card} title=${t("Let in")}>
      <${Bars} title=${t("Tickets")} of=${t("Where they are")} items=${[{ label: t("Let in"), value: of.check_ins, most: of.tickets, told: t("{some} of {all}", { some: format.number(of.check_ins), all: format.number(of.tickets) }) }]} />
    <//>
  `}<//>`;
}

const MOST_DAYS = 90;

/**
 * The last days from the first sale to the last one, also those without any.
 *
 * @param {{date: string, tickets: number}[]} days the first one first
 */
export function daysOf(days) {
  const known = new Map(days.map((day) => [day.date, day.tickets]));
  const last = days.at(-1)?.date;
  const first = days[0]?.date;
  if (!first || !last) return [];
  const result = [];
  for (let at = Date.parse(`${last}T00:00Z`); at >= Date.parse(`${first}T00:00Z`) && result.length < MOST_DAYS; at -= 86_400_000) {
    const date = new Date(at).toISOString().slice(0, 10);
    result.unshift({ date, tickets: known.get(date) ?? 0 });
  }
  return result;
}
