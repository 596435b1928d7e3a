/** Paying for a hold: who comes, a coupon, the whole price, how to pay. */
import { useMemo, useRef, useState } from "../../vendor/hooks.js";
import { api, newKey, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction, useLoad } from "../../core/load.js";
import { Problem } from "../../core/problems.js";
import { navigate } from "../../core/router.js";
import { countOf, placeName } from "../../parts/booking.js";
import { placeOf } from "../../parts/event.js";
import { HoldOver, HoldTimer, endOf } from "../../parts/hold_timer.js";
import { NotFound } from "../../parts/layout.js";
import { PaymentChoice, loadMethods, methodName, usePayment } from "../../parts/payment.js";
import { Button, Card, Field, Heading, LinkButton, Loaded, Money, Trouble, valuesOf } from "../../parts/ui.js";

/** @typedef {import("../../parts/event.js").Event} Event */
/** @typedef {import("../../parts/hold_timer.js").Hold} Hold */
/** @typedef {import("../../parts/hold_timer.js").HoldEnd} HoldEnd */
/** @typedef {import("api").components["schemas"]["Quote"]} Quote */
/** @typedef {import("api").components["schemas"]["NewBooking"]} NewBooking */

const WAIT_SECONDS = 20;
/** The places are not one's own any more. */
const GONE = ["HOLD_EXPIRED", "HOLD_NOT_ACTIVE", "HOLD_NOT_FOUND", "SEATS_UNAVAILABLE"];

/** @param {unknown} problem */
const isGone = (problem) => problem instanceof Problem && GONE.includes(problem.reason);

/** @param {string} hold_id @param {AbortSignal} signal */
async function load(hold_id, signal) {
  const asked = loadMethods(signal).catch(() => undefined);
  const hold = await take(api.GET("/api/v1/holds/{hold_id}", { params: { path: { hold_id } }, signal }));
  const [event, quote] = await Promise.all([
    take(api.GET("/api/v1/events/{event_id}", { params: { path: { event_id: hold.event_id } }, signal })),
    hold.status === "ACTIVE" ? price(hold_id) : null,
  ]);
  // Where they are not there by now, they are asked for again where they are shown, and hold up nothing else.
  const methods = await Promise.race([asked, undefined]);
  return { hold, event, quote, methods };
}

/** @param {string} hold_id @param {string} [coupon] */
function price(hold_id, coupon) {
  return take(api.POST("/api/v1/bookings/quote", { body: { hold_id, ...(coupon && { coupon_code: coupon }) } }));
}

/** @param {{params: {hold_id: string}}} props */
export default function Checkout({ params }) {
  const loaded = useLoad((signal) => load(params.hold_id, signal), [params.hold_id]);
  if (loaded.data === undefined && loaded.error instanceof Problem && loaded.error.status === 404) return html`<${NotFound} />`;
  return html`<${Loaded} of=${loaded} title=${t("Pay")}>
    ${(/** @type {Awaited<ReturnType<typeof load>>} */ { hold, event, quote, methods }) => {
      if (hold.status !== "ACTIVE") return html`<${Gone} how=${hold.status} event=${event} />`;
      if (!quote) return html`<${Gone} how="EXPIRED" event=${event} />`;
      return html`<${Pay} first=${hold} event=${event} firstQuote=${quote} methods=${methods} />`;
    }}
  <//>`;
}

/** @param {{how: HoldEnd, event: Event}} props */
function Gone({ how, event }) {
  return html`<${Heading} title=${event.title} />
    <${HoldOver} how=${how}><p><${LinkButton} kind="primary" href=${`/events/${event.id}/seats`}>${t("Choose again")}<//></p><//>`;
}

/** A key for what is asked for: the same while it stays the same, so that no retry books twice. */
function useKey() {
  const kept = useRef({ of: "", key: "" });
  return {
    of: (/** @type {unknown} */ body) => {
      const of = JSON.stringify(body);
      if (kept.current.of !== of) kept.current = { of, key: newKey() };
      return kept.current.key;
    },
    /** What was refused may be asked for anew. */
    forget: () => (kept.current = { of: "", key: "" }),
  };
}

/** @param {{first: Hold, event: Event, firstQuote: Quote, methods: Awaited<ReturnType<typeof loadMethods>> | undefined}} props */
function Pay({ first, event, firstQuote, methods }) {
  const [hold, setHold] = useState(first);
  const [{ quote, coupon }, setQuote] = useState({ quote: firstQuote, coupon: "" });
  const [over, setOver] = useState(/** @type {HoldEnd | null} */ (null));
  const [leaving, setLeaving] = useState(false);
  const names = useRef(/** @type {Record<string, string>} */ ({}));
  const places = useMemo(() => placesOf(hold), [hold]);
  const key = useKey();
  const isFree = quote.total.amount === 0;
  const way = usePayment(!isFree, methods);
  const payment = way.chosen;

  const pay = useAction(async () => {
    const attendees = places.flatMap(({ id, seat_id }) => {
      const name = names.current[id]?.trim();
      return name ? [{ name, ...(seat_id && { seat_id }) }] : [];
    });
    /** @type {NewBooking} */
    const body = {
      hold_id: hold.id,
      ...(!isFree && payment && { payment_method: payment.method, ...(payment.token && { payment_token: payment.token }) }),
      ...(coupon && { coupon_code: coupon }),
      attendees,
    };
    const headers = { "Idempotency-Key": key.of(body), Prefer: `wait=${WAIT_SECONDS}` };
    const booking = await take(api.POST("/api/v1/bookings", { params: { header: headers }, body })).catch(async (problem) => {
      if (problem instanceof Problem && problem.status >= 400 && problem.status < 500) key.forget();
      if (isGone(problem)) setOver((await endOf(hold.id)) ?? "EXPIRED");
      throw problem;
    });
    setLeaving(true);
    const action = booking.payment?.action;
    if (action) location.assign(action.url);
    else await navigate(`/bookings/${booking.reference}`, { replace: true });
  });

  if (over) return html`<${Gone} how=${over} event=${event} />`;
  const isBusy = pay.busy || leaving;
  return html`
    <${Heading} title=${t("Pay: {event}", { event: event.title })}><span>${t("Pay")}</span><//>
    <p><a href=${`/events/${event.id}`}>${event.title}</a><br />
      <span class="muted">${format.time(event.starts_at, event.timezone)} · ${placeOf(event)}${event.organizer && html`<br />${t("Sold by {name}", event.organizer)}`}</span></p>
    <div class="columns">
      <div>
        <${Attendees} places=${places} names=${names.current} error=${pay.error} />
        ${!isFree && html`<${PaymentChoice} of=${way} />`}
      </div>
      <aside aria-label=${t("Summary of the order")}>
        <${Card} title=${countOf(hold.lines)} actions=${html`<a href=${`/events/${event.id}/seats`}>${t("Change")}</a>`}>
          <ul>${hold.lines.map((line) => html`<li key=${line.seat_id ?? line.section_id}>${placeName(line)}${line.quantity > 1 && ` × ${format.number(line.quantity)}`}</li>`)}</ul>
          <${HoldTimer} hold=${hold} onExtended=${setHold} onOver=${(/** @type {HoldEnd} */ how) => isBusy || setOver(how)} />
          <${Prices} quote=${quote} coupon=${coupon} event=${event} />
          <${Coupon} hold=${hold} coupon=${coupon} onQuote=${setQuote} onGone=${setOver} />
        <//>
        <${Trouble} error=${pay.error} />
        <p class="small muted">${refundWords(event)}</p>
        <${Button} kind="primary" class="wide" busy=${isBusy} disabled=${!isFree && !payment} onClick=${() => pay.run()}>
          ${isFree ? t("Book") : payment && !payment.token ? t("Continue to {name}", { name: methodName(payment.method) }) : t("Pay {amount}", { amount: format.money(quote.total) })}
        <//>
        <p class="small muted" role="status">${isBusy ? t("Your booking is being made. Please stay a moment.") : ""}</p>
      </aside>
    </div>
  `;
}

/** Each place by itself, for a name of its own. @param {Hold} hold */
function placesOf(hold) {
  return hold.lines.flatMap((line) =>
    Array.from({ length: line.quantity }, (_, index) => ({
      id: line.seat_id ? `seat-${line.seat_id}` : `${line.section_id}-${line.tier_id}-${index}`,
      seat_id: line.seat_id,
      words: line.quantity > 1 ? `${placeName(line)} (${format.number(index + 1)})` : placeName(line),
    })),
  );
}

/** @param {{places: ReturnType<typeof placesOf>, names: Record<string, string>, error: unknown}} props */
function Attendees({ places, names, error }) {
  return html`<${Card} title=${t("Ticket holders")}>
    <p class="muted">${t("Names are printed on the tickets. You may leave them out.")}</p>
    <details>
      <summary>${t("Add names")}</summary>
      ${places.map(({ id, words }) => html`<${Field}
        key=${id}
        label=${words}
        name=${id}
        optional=${true}
        autocomplete="off"
        maxlength="100"
        error=${error}
        onInput=${(/** @type {any} */ event) => (names[id] = event.currentTarget.value)}
      />`)}
    </details>
  <//>`;
}

/** @param {{quote: Quote, coupon: string, event: Event}} props */
function Prices({ quote, coupon, event }) {
  /** @param {string} name @param {import("../../core/format.js").Amount} amount @param {boolean} [minus] */
  const row = (name, amount, minus) => amount.amount > 0 && html`<tr><th scope="row">${name}</th><td class="number">${minus && "−"}<${Money} of=${amount} /></td></tr>`;
  return html`<table aria-live="polite">
    <caption class="visually-hidden">${t("Price")}</caption>
    <tbody>
      ${row(t("Tickets"), quote.subtotal)}
      ${row(t("Coupon {code}", { code: coupon }), quote.discount, true)}
      ${row(t("Tax ({percent} %)", { percent: format.number(event.tax_percent) }), quote.tax)}
      ${row(t("Fees"), quote.fees)}
      <tr><th scope="row"><b>${t("Total")}</b></th><td class="number"><b>${quote.total.amount ? html`<${Money} of=${quote.total} />` : t("Free")}</b></td></tr>
    </tbody>
  </table>`;
}

/** @param {{hold: Hold, coupon: string, onQuote: (next: {quote: Quote, coupon: string}) => void, onGone: (how: HoldEnd) => void}} props */
function Coupon({ hold, coupon, onQuote, onGone }) {
  const apply = useAction(async (/** @type {string} */ code) => {
    try {
      onQuote({ quote: await price(hold.id, code), coupon: code });
    } catch (problem) {
      if (!isGone(problem)) throw problem;
      onGone((await endOf(hold.id)) ?? "EXPIRED");
    }
  });
  if (coupon) return html`<p>${t("Coupon {code} is applied.", { code: coupon })} <${Button} kind="quiet" busy=${apply.busy} onClick=${() => apply.run("")}>${t("Remove")}<//></p>`;
  return html`<details>
    <summary>${t("I have a coupon")}</summary>
    <form onSubmit=${(/** @type {globalThis.Event} */ event) => apply.run(valuesOf(event).coupon?.trim().toUpperCase() ?? "")}>
      <${Field} label=${t("Coupon code")} name="coupon" autocomplete="off" maxlength="40" />
      <${Trouble} error=${apply.error} />
      <${Button} type="submit" busy=${apply.busy}>${t("Apply")}<//>
    </form>
  </details>`;
}

/** @param {Event} event */
function refundWords(event) {
  const { percent, until_hours_before: hours } = event.refund_policy;
  return percent
    ? t("You may cancel until {hours} hours before the start and get {percent} % back.", { hours: format.number(hours), percent: format.number(percent) })
    : t("Tickets can't be cancelled.");
}
