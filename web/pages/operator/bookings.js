/** One booking over all services: its saga, its payment, its tickets. */
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useLoad } from "../../core/load.js";
import { query as setQuery } from "../../core/router.js";
import { BookingBadge, placeName } from "../../parts/booking.js";
import { Badge, Button, Card, Field, Loaded, Money, When, valuesOf } from "../../parts/ui.js";

/** @param {{reference: string}} props */
export function Bookings({ reference }) {
  return html`
    <form role="search" class="code-form" onSubmit=${(/** @type {Event} */ event) => setQuery({ q: valuesOf(event).q?.trim() })}>
      <${Field} label=${t("Reference")} name="q" defaultValue=${reference} placeholder="PT-…" />
      <${Button} kind="primary" type="submit">${t("Show")}<//>
    </form>
    ${reference && html`<${Story} key=${reference} reference=${reference} />`}
  `;
}

/** @param {string} reference @param {AbortSignal} signal */
async function read(reference, signal) {
  const path = { reference };
  const booking = await take(api.GET("/api/v1/bookings/{reference}", { params: { path, query: { expand: /** @type {any} */ ("tickets") } }, signal }));
  const [timeline, payment] = await Promise.all([
    take(api.GET("/api/v1/bookings/{reference}/timeline", { params: { path }, signal })),
    booking.payment ? take(api.GET("/api/v1/payments/{payment_id}", { params: { path: { payment_id: booking.payment.id } }, signal })) : null,
  ]);
  return { booking, steps: timeline.items, payment };
}

/** @param {{reference: string}} props */
function Story({ reference }) {
  const story = useLoad((signal) => read(reference, signal), [reference]);
  return html`<${Loaded} of=${story}>
    ${(/** @type {Awaited<ReturnType<typeof read>>} */ { booking, steps, payment }) => html`
      <${Card} title=${booking.event.title}>
        <p><${BookingBadge} of=${booking} /> <span class="mono">${booking.reference}</span> <span class="muted mono small">${booking.id}</span> ${booking.reason && html`<span class="mono">${booking.reason}</span>`}</p>
        <p>${t("Total")} <${Money} of=${booking.price.total} />, ${t("refunded")} <${Money} of=${booking.refunded} /></p>
        <p class="muted small">${t("The traces and logs of it:")} <code>parterre timeline ${booking.reference}</code>, <code>parterre trace ${booking.reference}</code></p>
      <//>
      <${Card} title=${t("Booking: its steps")}>
        <div class="scroll" tabindex="0"><table>
          <thead><tr><th scope="col">${t("When")}</th><th scope="col">${t("Step")}</th><th scope="col">${t("Outcome")}</th><th scope="col">${t("State")}</th><th scope="col" class="number">${t("Attempt")}</th><th scope="col">${t("Why")}</th></tr></thead>
          <tbody>${steps.map((step) => html`<tr><td><${When} at=${step.at} options=${{ dateStyle: "short", timeStyle: "medium" }} /></td><td class="mono">${step.step}</td><td>${step.outcome}</td><td class="mono">${step.state}</td><td class="number">${format.number(step.attempt)}</td><td>${step.detail}</td></tr>`)}</tbody>
        </table></div>
      <//>
      ${payment && html`<${Card} title=${t("Payment: its attempts and refunds")}>
        <p><${Badge}>${payment.status}<//> ${t("captured")} <${Money} of=${payment.captured} />, ${t("refunded")} <${Money} of=${payment.refunded} /> <span class="muted mono small">${payment.id}</span></p>
        <ul>
          ${payment.attempts.map((attempt) => html`<li>${format.number(attempt.number)}. ${attempt.method} ${attempt.status} ${attempt.reason} <${When} at=${attempt.created_at} /></li>`)}
          ${payment.refunds.map((refund) => html`<li>${t("Refund")} <${Money} of=${refund.amount} /> ${refund.status} ${refund.reason}</li>`)}
        </ul>
      <//>`}
      <${Card} title=${t("Inventory: its hold and tickets")}>
        <p class="muted mono small">${t("Hold")} ${booking.hold_id}</p>
        <ul>${booking.lines.map((line) => html`<li>${placeName(line)} × ${format.number(line.quantity)}</li>`)}</ul>
        ${(booking.tickets ?? []).map((ticket) => html`<p>${t("Ticket")} <span class="mono small">${ticket.id}</span> ${placeName(ticket)} <${Badge}>${ticket.status}<//></p>`)}
      <//>
    `}
  <//>`;
}
