/** The bookings of an event: search, one's course, money back. */
import { useRef, useState } from "../../vendor/hooks.js";
import { api, intent, save, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction, usePages } from "../../core/load.js";
import { BookingBadge, countOf, placeName } from "../../parts/booking.js";
import { STEPS, useTimeline } from "../../parts/timeline.js";
import { Button, Card, Dialog, Field, Loaded, Money, Note, Pages, Trouble, When, valuesOf } from "../../parts/ui.js";

/** @typedef {import("api").components["schemas"]["SoldBooking"]} Sold */
/** @typedef {import("../../parts/timeline.js").Entry} Entry */
/** @typedef {import("./status.js").Event} Event */
/** @typedef {globalThis.Event} Event_ a form's */

/** @param {{event: Event}} props */
export function Bookings({ event }) {
  const [wish, setWish] = useState(/** @type {{q?: string, status?: Sold["status"]}} */ ({}));
  const [open, setOpen] = useState(/** @type {Sold | null} */ (null));
  const bookings = usePages(
    (cursor, signal) => take(api.GET("/api/v1/organizer/events/{event_id}/bookings", { params: { path: { event_id: event.id }, query: { cursor, limit: 50, ...wish } }, signal })),
    [event.id, wish],
  );
  const download = useAction(() => save(`/api/v1/organizer/events/${event.id}/bookings.csv?${new URLSearchParams(wish)}`, "bookings.csv"));
  const search = (/** @type {SubmitEvent} */ submitted) => {
    const { q, status } = valuesOf(submitted);
    setWish({ ...(q && { q }), ...(status && { status: /** @type {Sold["status"]} */ (status) }) });
  };
  return html`
    <form class="row" role="search" onSubmit=${search}>
      <${Field} type="search" label=${t("Name, e-mail address or reference")} name="q" optional=${true} maxlength="100" />
      <${Field} as="select" label=${t("Status")} name="status" optional=${true}>
        <option value="">${t("All")}</option>
        <option value="CONFIRMED">${t("Confirmed")}</option>
        <option value="PENDING">${t("Awaiting payment")}</option>
        <option value="CANCELLED">${t("Cancelled")}</option>
        <option value="FAILED">${t("Not booked")}</option>
        <option value="EXPIRED">${t("Expired")}</option>
      <//>
      <div class="actions">
        <${Button} kind="primary" type="submit">${t("Search")}<//>
        <${Button} busy=${download.busy} onClick=${() => download.run()}>${t("Save as CSV")}<//>
      </div>
    </form>
    <${Trouble} error=${download.error} />
    <${Pages} of=${bookings} empty=${t("No bookings.")}>
      ${(/** @type {Sold} */ booking) => html`<li key=${booking.id} class="item">
        <div>
          <button type="button" class="link" onClick=${() => setOpen(booking)}><b>${booking.reference}</b></button> <${BookingBadge} of=${booking} />
          <p>${booking.buyer ? `${booking.buyer.name} · ${booking.buyer.email}` : t("Buyer not known yet")}</p>
          <p class="muted small"><${When} at=${booking.created_at} zone=${event.timezone} /> · ${countOf(booking.lines)}</p>
        </div>
        <p><${Money} of=${booking.price.total} /></p>
      </li>`}
    <//>
    <${Dialog} open=${open !== null} wide=${true} title=${open?.reference ?? ""} onClose=${() => setOpen(null)}>
      ${open && html`<${Detail} booking=${open} event=${event} changed=${() => void bookings.reload()} />`}
    <//>
  `;
}

const WORDS = /** @type {Record<string, () => string>} */ ({
  ...STEPS,
  CREATED: () => t("The buyer placed the order."),
  RESERVED: () => t("The tickets were held."),
  ACTION_REQUIRED: () => t("The payment provider asked the buyer to confirm the payment."),
  NEW_ATTEMPT: () => t("The buyer tried to pay again."),
  SOLD: () => t("The booking was confirmed."),
  PAID_BACK: () => t("You made a refund."),
  DEADLINE: () => t("No answer came in time."),
});

/** @param {{booking: Sold, event: Event, changed: () => void}} props */
function Detail({ booking, event, changed }) {
  const story = useTimeline(booking.reference);
  return html`
    <p><${BookingBadge} of=${booking} /> ${booking.buyer && `${booking.buyer.name} · ${booking.buyer.email}`}</p>
    <ul>${booking.lines.map((line) => html`<li>${format.number(line.quantity)} × ${placeName(line)} · <${Money} of=${line.price} /></li>`)}</ul>
    <p>${t("Total: {total}. Refunded: {back}.", { total: format.money(booking.price.total), back: format.money(booking.refunded) })}
      ${booking.coupon_code && ` ${t("Coupon: {code}", { code: booking.coupon_code })}`}</p>
    ${booking.attendees.length > 0 && html`<p>${t("Ticket holders: {names}", { names: booking.attendees.map((one) => one.name).join(", ") })}</p>`}
    <${Card} title=${t("History")} level=${3}>
      <${Loaded} of=${story}>${(/** @type {Entry[]} */ all) => html`<ol class="story-list">
        ${all.map((entry) => html`<li>
          <span class="muted small"><${When} at=${entry.at} zone=${event.timezone} options=${{ dateStyle: "medium", timeStyle: "medium" }} /></span> ${WORDS[entry.step]?.() ?? entry.step}
        </li>`)}
      </ol>`}<//>
    <//>
    <${GiveBack} booking=${booking} changed=${changed} />
  `;
}

/** @param {{booking: Sold, changed: () => void}} props */
function GiveBack({ booking, changed }) {
  const once = useRef(intent()).current;
  const [given, setGiven] = useState("");
  const { payment } = booking;
  const { currency } = booking.price.total;
  const unit = 10 ** format.digits(currency);
  const left = booking.price.total.amount - booking.refunded.amount;
  const give = useAction(async (/** @type {Record<string, string>} */ values) => {
    const amount = Math.round(Number(values.amount) * unit);
    const body = { amount, reason: values.reason ?? "" };
    await once.send(body, (header) => take(api.POST("/api/v1/payments/{payment_id}/refunds", { params: { path: { payment_id: payment?.id ?? "" }, header }, body })));
    setGiven(t("{amount} will be refunded to the buyer.", { amount: format.money({ amount, currency }) }));
    changed();
  });
  if (given) return html`<${Note} kind="good">${given}<//>`;
  if (!payment || left <= 0 || !["CAPTURED", "PARTIALLY_REFUNDED"].includes(payment.status)) return null;
  return html`<${Card} title=${t("Refund")} level=${3}>
    <form onSubmit=${(/** @type {Event_} */ submitted) => give.run(valuesOf(submitted))}>
      <p>${t("The tickets stay valid. At most {left} can be refunded.", { left: format.money({ amount: left, currency }) })}</p>
      <${Trouble} error=${give.error} />
      <${Field} type="number" label=${t("Amount in {currency}", { currency })} name="amount" min=${1 / unit} max=${left / unit} step=${1 / unit} defaultValue=${left / unit} error=${give.error} />
      <${Field} label=${t("Reason")} name="reason" maxlength="200" error=${give.error} />
      <${Button} kind="danger" type="submit" busy=${give.busy}>${t("Refund")}<//>
    </form>
  <//>`;
}
