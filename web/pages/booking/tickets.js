/** My tickets: bookings to come, and those that are over. */
import { useEffect } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { usePages } from "../../core/load.js";
import { query as setQuery } from "../../core/router.js";
import { BookingBadge, countOf, isBeingPaid } from "../../parts/booking.js";
import { Heading, LinkButton, Pages, Tabs } from "../../parts/ui.js";

/** @typedef {import("../../parts/booking.js").Booking} Booking */

/** While something becomes of one of them by itself. */
const REFRESH_MILLISECONDS = 3000;

/** Whether somebody may still want it: it is not over, and it is booked or may be. @param {Booking} booking @param {number} now */
export function isUpcoming(booking, now) {
  const ends = new Date(booking.event.ends_at ?? booking.event.starts_at).getTime();
  return ends > now && ["PENDING", "CONFIRMED", "CANCELLING"].includes(booking.status);
}

/** @param {{query: URLSearchParams}} props */
export default function MyTickets({ query }) {
  const bookings = usePages((cursor, signal) => take(api.GET("/api/v1/bookings", { params: { query: { cursor, limit: 50 } }, signal })), []);
  const moves = bookings.items.some((booking) => booking.status === "CANCELLING" || booking.status === "PENDING");
  useEffect(() => {
    if (!moves) return undefined;
    const timer = setInterval(() => document.hidden || void bookings.reload(), REFRESH_MILLISECONDS);
    return () => clearInterval(timer);
  }, [moves, bookings.reload]);
  const now = Date.now();
  const upcoming = bookings.items
    .filter((booking) => isUpcoming(booking, now))
    .sort((a, b) => a.event.starts_at.localeCompare(b.event.starts_at));
  const past = bookings.items.filter((booking) => !isUpcoming(booking, now));
  /** @param {Booking[]} items @param {any} empty */
  const list = (items, empty) => html`<${Pages} of=${{ ...bookings, items }} class="grid bookings" empty=${empty}>
    ${(/** @type {Booking} */ booking) => html`<li key=${booking.reference}><${BookingCard} booking=${booking} /></li>`}
  <//>`;
  return html`
    <${Heading} title=${t("My tickets")} />
    <${Tabs}
      label=${t("My tickets")}
      chosen=${query.get("tab")}
      onChoose=${(/** @type {string} */ tab) => setQuery({ tab })}
      tabs=${[
        {
          id: "upcoming",
          label: t("Upcoming"),
          show: () => list(upcoming, html`<p>${t("You have no upcoming tickets.")}</p><p><${LinkButton} kind="primary" href="/">${t("Find events")}<//></p>`),
        },
        { id: "past", label: t("Past and cancelled"), show: () => list(past, html`<p>${t("Nothing here yet.")}</p>`) },
      ]}
    />
  `;
}

/** @param {{booking: Booking}} props */
function BookingCard({ booking }) {
  const { event } = booking;
  return html`<article class="card booking-card">
    <p><${BookingBadge} of=${booking} /></p>
    <h2><a href=${`/bookings/${booking.reference}`}>${event.title}</a></h2>
    <p><time datetime=${event.starts_at}>${format.day(event.starts_at, event.timezone)}, ${format.clock(event.starts_at, event.timezone)}</time></p>
    <p class="muted">${"place" in event && event.place}</p>
    ${booking.status === "PENDING" && !isBeingPaid(booking) && booking.expires_at && html`<p>${t("Your tickets are held until {time}. Pay by then, or give them up.", { time: format.clock(booking.expires_at) })}</p>`}
    <p>${countOf(booking.lines)} · <span class="mono">${booking.reference}</span></p>
  </article>`;
}
