/** One booking: while it is paid for, when it is booked, and after. */
import { useEffect, useState } from "../../vendor/hooks.js";
import { announce } from "../../core/announce.js";
import { api, newKey, save, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { Problem } from "../../core/problems.js";
import { query as setQuery } from "../../core/router.js";
import { BookingBadge, countOf, placeName } from "../../parts/booking.js";
import { NotFound } from "../../parts/layout.js";
import { PaymentChoice, methodName, refusalWords, usePayment } from "../../parts/payment.js";
import { Button, Card, Confirm, Heading, LinkButton, Loaded, Money, Note, Spinner, Trouble, useCountdown } from "../../parts/ui.js";
import { Story } from "./story.js";
import { Tickets } from "./ticket.js";

/** @typedef {import("../../parts/booking.js").Booking} Booking */

const WAIT_SECONDS = 20;
/** Between two questions, when the answer came at once and nothing had changed. */
const PAUSE_MILLISECONDS = 2000;
const MOST_PAUSE_MILLISECONDS = 15000;

/** @param {string} reference @param {number} wait @param {AbortSignal} signal */
async function read(reference, wait, signal) {
  const query = { expand: /** @type {any} */ ("tickets"), ...(wait && { wait }) };
  return take(api.GET("/api/v1/bookings/{reference}", { params: { path: { reference }, query }, signal }));
}

/**
 * A booking as it is now: asked for again and again while something may still happen to it. Each
 * question waits at the gateway, so that news are here at once.
 *
 * @param {string} reference
 * @returns {{booking: Booking | null, error: unknown, refresh: () => void}}
 */
function useBooking(reference) {
  const [booking, setBooking] = useState(/** @type {Booking | null} */ (null));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const left = new AbortController();
    void (async () => {
      let known = "";
      let pause = PAUSE_MILLISECONDS;
      for (let first = true; !left.signal.aborted; first = false) {
        const began = Date.now();
        try {
          const found = await read(reference, first ? 0 : WAIT_SECONDS, left.signal);
          if (left.signal.aborted) return;
          setError(null);
          setBooking(found);
          if (found.status !== "PENDING" && found.status !== "CANCELLING") return;
          pause = found.updated_at === known ? Math.min(pause * 1.5, MOST_PAUSE_MILLISECONDS) : PAUSE_MILLISECONDS;
          known = found.updated_at;
        } catch (problem) {
          if (left.signal.aborted) return;
          setError(problem);
          if (problem instanceof Problem && problem.status >= 400 && problem.status < 500 && problem.status !== 429) return;
        }
        const rest = first ? 0 : pause - (Date.now() - began);
        if (rest > 0) await new Promise((done) => setTimeout(done, rest));
      }
    })();
    return () => left.abort();
  }, [reference, turn]);
  return { booking, error, refresh: () => setTurn((now) => now + 1) };
}

/** Who comes back from the provider's page has the provider asked at once. @param {Booking | null} booking @param {URLSearchParams} query @param {() => void} refresh */
function useReturn(booking, query, refresh) {
  const result = query.get("result");
  const payment = booking?.payment?.id;
  useEffect(() => {
    if (!result || !payment) return;
    api
      .POST("/api/v1/payments/{payment_id}/verify", { params: { path: { payment_id: payment } } })
      .catch(() => {}) // the provider tells by itself, a little later
      .finally(() => {
        void setQuery({ result: null, charge: null, booking: null });
        refresh();
      });
  }, [result, payment]);
}

/** @param {{params: {reference: string}, query: URLSearchParams}} props */
export default function BookingPage({ params, query }) {
  const { booking, error, refresh } = useBooking(params.reference);
  useReturn(booking, query, refresh);
  const status = booking?.status;
  useEffect(() => {
    if (booking) announce(stateWords(booking));
  }, [status, booking?.payment?.status]);
  if (!booking) {
    if (error instanceof Problem && error.status === 404) return html`<${NotFound} />`;
    return html`<${Loaded} of=${{ error, reload: refresh }} title=${t("My tickets")} />`;
  }
  const { event } = booking;
  return html`
    <${Heading} title=${event.title}><span>${event.title}</span><//>
    <p><${BookingBadge} of=${booking} /> <span class="mono">${booking.reference}</span></p>
    <${Trouble} error=${error} retry=${refresh} />
    <${State} booking=${booking} refresh=${refresh} />
    ${booking.status === "CONFIRMED" && html`<${Tickets} booking=${booking} />`}
    <div class="columns">
      <div>
        <${Story} booking=${booking} />
      </div>
      <aside aria-label=${t("About the booking")}>
        <${Card} title=${t("Event")}>
          <p><a href=${`/events/${event.id}`}>${event.title}</a></p>
          <p><time datetime=${event.starts_at}>${event.ends_at ? format.span(event.starts_at, event.ends_at, event.timezone) : format.time(event.starts_at, event.timezone)}</time></p>
          ${"place" in event && html`<p>${event.place}</p>`}
          ${booking.status === "CONFIRMED" && html`<p><${Button} onClick=${() => save(`/api/v1/bookings/${booking.reference}/calendar.ics`, `${booking.reference}.ics`)}>${t("Add to calendar")}<//></p>`}
        <//>
        <${PriceCard} booking=${booking} />
        ${booking.status === "CONFIRMED" && html`<${Cancel} booking=${booking} refresh=${refresh} />`}
      </aside>
    </div>
  `;
}

/** How a booking stands, in a sentence. @param {Booking} booking */
function stateWords(booking) {
  switch (booking.status) {
    case "PENDING": {
      const status = booking.payment?.status;
      if (status === "REQUIRES_ACTION") return t("Continue to the payment provider to pay.");
      if (status === "FAILED") return refusalWords(booking.payment?.refused_because);
      return t("Your payment is being made. You may close this page; it goes on without it.");
    }
    case "CONFIRMED":
      return t("Your booking is confirmed. Your tickets are below and in your e-mail.");
    case "CANCELLING":
      return t("The booking is being cancelled. Your refund is on its way.");
    case "CANCELLED":
      return booking.refunded.amount
        ? t("The booking was cancelled. {amount} was refunded to you.", { amount: format.money(booking.refunded) })
        : t("The booking was cancelled.");
    case "EXPIRED":
      return t("The time to pay ran out. The tickets are on sale again.");
    case "FAILED":
      return t("Nothing was booked.");
  }
}

/** @param {{booking: Booking, refresh: () => void}} props */
function State({ booking, refresh }) {
  const words = stateWords(booking);
  if (booking.status === "PENDING") return html`<${Pending} booking=${booking} refresh=${refresh} />`;
  if (booking.status === "CONFIRMED") {
    return html`<${Note} kind="good" live=${false}>${words}
      ${booking.cancellation?.because === "EVENT_MOVED" && html` ${t("The time or place changed: you may cancel for a full refund until {until}.", { until: format.time(booking.cancellation.until, booking.event.timezone) })}`}
    <//>`;
  }
  if (booking.status === "CANCELLING") return html`<${Note} kind="warn" live=${false}>${words}<//>`;
  if (booking.status === "CANCELLED") return html`<${Note}>${words} ${reasonWords(booking)}<//>`;
  return html`<${Note} kind="bad" live=${false}>
    <p>${words} ${reasonWords(booking)}</p>
    <p>${booking.refunded.amount ? t("{amount} was refunded to you.", { amount: format.money(booking.refunded) }) : t("You were not charged, or the charge is refunded automatically.")}</p>
    <p><${LinkButton} kind="primary" href=${`/events/${booking.event.id}/seats`}>${t("Choose again")}<//></p>
  <//>`;
}

const REASONS = /** @type {Record<string, () => string>} */ ({
  GIVEN_UP: () => t("It was abandoned."),
  CANCELLED_BY_CUSTOMER: () => t("You cancelled it."),
  CANCELLED_BY_ORGANIZER: () => t("The organizer cancelled it."),
  EVENT_CANCELLED: () => t("The event was cancelled."),
  EVENT_MOVED: () => t("The time or place had changed."),
  REFUNDED: () => t("All of its price was refunded."),
  PAYMENT_TIMED_OUT: () => "",
  PAID_LATE_SEATS_GONE: () => t("The payment came late, and somebody else has the tickets. It is refunded in full."),
  PAID_LATE_CUSTOMER_LIMIT: () => t("The payment came late, and you have as many tickets as one person may buy. It is refunded in full."),
  PAID_LATE_COUPON_USED_UP: () => t("The payment came late, and the coupon is used up. It is refunded in full."),
  PAID_LATE_SALES_CLOSED: () => t("The payment came late, after the sale had closed. It is refunded in full."),
  PAID_LATE_GIVEN_BACK: () => t("The payment came after the booking had ended. It is refunded in full."),
  SEATS_UNAVAILABLE: () => t("The tickets were no longer available."),
  SEATS_NOT_SECURED: () => t("The tickets were no longer available."),
  HOLD_EXPIRED: () => t("The hold had expired."),
  HOLD_RELEASED: () => t("The hold had been released."),
  HOLD_NOT_ACTIVE: () => t("The hold had expired."),
});

/** Why it ended: by a code of ours, in somebody's own words, or as the provider refused. @param {Booking} booking */
function reasonWords({ reason, payment }) {
  if (!reason) return "";
  const words = REASONS[reason];
  if (words) return words();
  if (!/^[A-Z_]+$/.test(reason)) return reason;
  return payment?.status === "FAILED" ? refusalWords(reason) : "";
}

/** Not paid yet: where the payment is, and what to do. @param {{booking: Booking, refresh: () => void}} props */
function Pending({ booking, refresh }) {
  const seconds = useCountdown(booking.expires_at);
  const { payment } = booking;
  const deadline = booking.expires_at && html`<p>${t("Held for you for")} <b role="timer">${format.countdown(seconds)}</b></p>`;
  if (payment?.status === "FAILED") return html`<${Another} booking=${booking} refresh=${refresh} deadline=${deadline} />`;
  if (payment?.status === "REQUIRES_ACTION" && payment.action) {
    return html`<${Note} kind="warn" live=${false}>
      <p>${t("Continue to the payment provider to pay. Then you come back here.")}</p>
      ${deadline}
      <div class="actions">
        <a class="button button-primary" href=${payment.action.url}>${t("Pay with {name}", { name: methodName(payment.method) })}</a>
        <${GiveUp} booking=${booking} refresh=${refresh} />
      </div>
    <//>`;
  }
  return html`<${Note} live=${false}>
    <${Spinner} label=${t("Your payment is being made.")} />
    <p class="centred">${t("Your payment is being made. You may close this page; it goes on without it.")}</p>
  <//>`;
}

/** After a refusal: another card or wallet, with the places kept. @param {{booking: Booking, refresh: () => void, deadline: any}} props */
function Another({ booking, refresh, deadline }) {
  const way = usePayment();
  const [key, setKey] = useState(newKey);
  const pay = useAction(async (/** @type {import("../../parts/payment.js").Payment} */ payment) => {
    const started = await take(
      api.POST("/api/v1/payments", {
        params: { header: { "Idempotency-Key": key, Prefer: `wait=${WAIT_SECONDS}` } },
        body: { booking_reference: booking.reference, method: payment.method, ...(payment.token && { payment_token: payment.token }) },
      }),
    );
    setKey(newKey());
    if (started.action) location.assign(started.action.url);
    else refresh();
  });
  return html`
    <${Note} kind="bad" live=${false}><p>${refusalWords(booking.payment?.refused_because)}</p>${deadline}<p>${t("Nothing was charged, and your tickets are still held: try another card or another way to pay.")}</p><//>
    <${Card} title=${t("Try again")}>
      <${PaymentChoice} of=${way} />
      <${Trouble} error=${pay.error} />
      <div class="actions">
        <${Button} kind="primary" busy=${pay.busy} disabled=${!way.chosen} onClick=${() => way.chosen && pay.run(way.chosen)}>${t("Pay {amount}", { amount: format.money(booking.price.total) })}<//>
        <${GiveUp} booking=${booking} refresh=${refresh} />
      </div>
    <//>
  `;
}

/** @param {{booking: Booking, refresh: () => void}} props */
function GiveUp({ booking, refresh }) {
  const [asks, setAsks] = useState(false);
  const giveUp = useCancel(booking, () => {
    setAsks(false);
    refresh();
  });
  return html`
    <${Button} kind="quiet" onClick=${() => setAsks(true)}>${t("Give up")}<//>
    <${Confirm} open=${asks} title=${t("Give up these tickets?")} yes=${t("Yes, give up")} danger=${true} busy=${giveUp.busy} error=${giveUp.error} onYes=${() => giveUp.run("")} onNo=${() => setAsks(false)}>
      <p>${t("They go on sale again at once. If you were already charged, you get a refund.")}</p>
    <//>
  `;
}

/** @param {Booking} booking @param {() => void} done */
function useCancel(booking, done) {
  const [key] = useState(newKey);
  return useAction(async (/** @type {string} */ reason) => {
    await take(
      api.POST("/api/v1/bookings/{reference}/cancel", {
        params: { path: { reference: booking.reference }, header: { "Idempotency-Key": key } },
        body: reason ? { reason } : {},
      }),
    );
    done();
  });
}

/** Cancelling, with what comes back told before. @param {{booking: Booking, refresh: () => void}} props */
function Cancel({ booking, refresh }) {
  const [asks, setAsks] = useState(false);
  const terms = booking.cancellation;
  const cancel = useCancel(booking, () => {
    setAsks(false);
    refresh();
  });
  if (!terms) return html`<${Card} title=${t("Cancel")}><p class="muted">${t("This booking can't be cancelled any more.")}</p><//>`;
  const left = booking.price.total.amount - booking.refunded.amount;
  // As payment reckons it: half up.
  const back = { amount: Math.floor((left * terms.percent + 50) / 100), currency: booking.price.total.currency };
  return html`<${Card} title=${t("Cancel")}>
    <p>${t("Until {until} you may cancel and get {amount} back ({percent} %).", { until: format.time(terms.until, booking.event.timezone), amount: format.money(back), percent: format.number(terms.percent) })}</p>
    <p><${Button} kind="danger" onClick=${() => setAsks(true)}>${t("Cancel the booking")}<//></p>
    <${Confirm} open=${asks} title=${t("Cancel this booking?")} yes=${t("Yes, cancel it")} danger=${true} busy=${cancel.busy} error=${cancel.error} onYes=${() => cancel.run("")} onNo=${() => setAsks(false)}>
      <p>${t("You get {amount} back, and the tickets are void at once.", { amount: format.money(back) })}</p>
    <//>
  <//>`;
}

/** @param {{booking: Booking}} props */
function PriceCard({ booking }) {
  const { price } = booking;
  /** @param {string} name @param {import("../../core/format.js").Amount} amount @param {boolean} [minus] */
  const row = (name, amount, minus) => amount.amount > 0 && html`<tr><th scope="row">${name}</th><td class="number">${minus && "−"}<${Money} of=${amount} /></td></tr>`;
  return html`<${Card} title=${countOf(booking.lines)}>
    <ul>
      ${booking.lines.map((line) => html`<li>${placeName(line)}${line.quantity > 1 && ` × ${format.number(line.quantity)}`}</li>`)}
    </ul>
    <table>
      <caption class="visually-hidden">${t("Price")}</caption>
      <tbody>
        ${price.total.amount !== price.subtotal.amount && row(t("Tickets"), price.subtotal)}
        ${row(booking.coupon_code ? t("Coupon {code}", { code: booking.coupon_code }) : t("Discount"), price.discount, true)}
        ${row(t("Tax"), price.tax)}
        ${row(t("Fees"), price.fees)}
        <tr><th scope="row"><b>${t("Total")}</b></th><td class="number"><b><${Money} of=${price.total} /></b></td></tr>
        ${row(t("Refunded to you"), booking.refunded)}
      </tbody>
    </table>
    ${booking.payment && booking.status !== "PENDING" && html`<p class="small muted">${t("Paid with {name}", { name: methodName(booking.payment.method) })}</p>`}
  <//>`;
}
