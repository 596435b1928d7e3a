/** An event's figures: money, tickets by day and by tier, who is in, and since when. */
import { useEffect } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useLoad } from "../../core/load.js";
import { Card, Empty, Loaded, Money } from "../../parts/ui.js";
import { Figure } from "./dashboard.js";
import { Bars, Columns } from "./plot.js";

/** @typedef {import("api").components["schemas"]["EventSales"]} Sales */

const REFRESH_MILLISECONDS = 15_000;
const DOORS_MILLISECONDS = 4 * 3_600_000;
const MOST_STRETCHES = 180;

/** Whether people may be coming in. @param {import("./status.js").Event} event @param {number} now */
const isOpen = (event, now) => now > Date.parse(event.doors_at ?? event.starts_at) - DOORS_MILLISECONDS && now < Date.parse(event.ends_at);

/** @param {{event: import("./status.js").Event}} props */
export function Overview({ event }) {
  const sales = useLoad((signal) => take(api.GET("/api/v1/organizer/events/{event_id}/sales", { params: { path: { event_id: event.id } }, signal })), [event.id]);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || !isOpen(event, Date.now()) || void sales.reload(), REFRESH_MILLISECONDS);
    return () => clearInterval(timer);
  }, [event]);
  return html`<${Loaded} of=${sales}>${(/** @type {Sales} */ of) => html`
    <dl class="figures">
      <${Figure} name=${t("Gross revenue")}><${Money} of=${of.revenue.gross} /><//>
      <${Figure} name=${t("Refunded")}><${Money} of=${of.revenue.refunded} /><//>
      <${Figure} name=${t("Net revenue")}><${Money} of=${of.revenue.net} /><//>
      <${Figure} name=${t("Discounts")}><${Money} of=${of.discounts} /><//>
      <${Figure} name=${t("Tax included")}><${Money} of=${of.tax} /><//>
      <${Figure} name=${t("Bookings")}>${format.number(of.bookings)}<//>
      <${Figure} name=${t("Valid tickets")}>${format.number(of.tickets)}<//>
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
    <${Card} title=${t("Admitted")}>
      <${Bars} title=${t("Tickets")} of=${t("Admission")} items=${[{ label: t("Admitted"), value: of.check_ins, most: of.tickets, told: t("{some} of {all}", { some: format.number(of.check_ins), all: format.number(of.tickets) }) }]} />
      <${OverTime} of=${of.check_ins_over_time} zone=${event.timezone} />
    <//>
  `}<//>`;
}

/** @param {{of: Sales["check_ins_over_time"], zone: string}} props */
function OverTime({ of, zone }) {
  if (!of.stretches.length) return html`<p class="muted">${t("Once people are admitted, this shows how many arrive, minute by minute.")}</p>`;
  const title = of.minutes === 1 ? t("Admissions per minute") : t("Admissions every {minutes} minutes", { minutes: format.number(of.minutes) });
  return html`<h3>${title}</h3>
    <${Columns} title=${title} of=${t("From")} items=${stretchesOf(of).map((stretch) => ({
      label: format.time(stretch.begins_at, zone, { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" }),
      value: stretch.tickets,
      told: format.number(stretch.tickets),
    }))} />`;
}

/**
 * The newest stretches up to the last one in which somebody was let in, also those in which nobody was.
 *
 * @param {Sales["check_ins_over_time"]} of
 */
export function stretchesOf({ minutes, stretches }) {
  const known = new Map(stretches.map((stretch) => [Date.parse(stretch.begins_at), stretch.tickets]));
  const first = Date.parse(stretches[0]?.begins_at ?? "");
  const last = Date.parse(stretches.at(-1)?.begins_at ?? "");
  const result = [];
  for (let at = last; at >= first && result.length < MOST_STRETCHES; at -= minutes * 60_000) {
    result.unshift({ begins_at: new Date(at).toISOString(), tickets: known.get(at) ?? 0 });
  }
  return result;
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
