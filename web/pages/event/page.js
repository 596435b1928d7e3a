/** An event: what, where, when, prices, terms, reviews, and what is left. */
import { useEffect, useState } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { boot, useLoad, usePages } from "../../core/load.js";
import { Problem } from "../../core/problems.js";
import { user } from "../../core/session.js";
import { Picture, SaleBadge, placeOf, saleOf } from "../../parts/event.js";
import { NotFound } from "../../parts/layout.js";
import { Card, Heading, LinkButton, Loaded, Money, Note, Pages, When } from "../../parts/ui.js";

/** @typedef {import("../../parts/event.js").Event} Event */

const REFRESH_SECONDS = 20;
/** The document asks for the picture before, for the same width: gateway/site/pages.py. */
const BANNER_SIZES = "(max-width: 60rem) 100vw, 45rem";

/** @param {{params: {event_id: string}}} props */
export default function EventPage({ params }) {
  const id = params.event_id;
  const first = boot.event?.id === id ? boot.event : undefined;
  const event = useLoad((signal) => take(api.GET("/api/v1/events/{event_id}", { params: { path: { event_id: id } }, signal })), [id], first);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || event.reload(), REFRESH_SECONDS * 1000);
    return () => clearInterval(timer);
  }, [id]);
  if (event.data === undefined && event.error instanceof Problem && event.error.status === 404) return html`<${NotFound} />`;
  return html`<${Loaded} of=${event} title=${t("Events")}>${(/** @type {Event} */ data) => html`<${Shown} event=${data} />`}<//>`;
}

/** The document has its beginning in the same elements: gateway/site/shell.html. @param {{event: Event}} props */
function Shown({ event }) {
  return html`
    <article>
      <${Heading} title=${event.title} />
      <p class="muted">${format.time(event.starts_at, event.timezone)} · ${placeOf(event)}${event.organizer && html`<br />${t("Organizer: {name}", event.organizer)}`}</p>
      <${State} event=${event} />
      <div class="columns event">
        ${event.images.length > 0 && html`<div class="banner"><${Picture} of=${event} sizes=${BANNER_SIZES} first=${true} /></div>`}
        <aside aria-label=${t("Tickets, time and place")}>
          <${Buy} event=${event} />
          <${Time} event=${event} />
          <${Place} event=${event} />
        </aside>
        <div>
          ${event.description && html`<div class="prose">${paragraphs(event.description)}</div>`}
          <${Gallery} event=${event} />
          <${Terms} event=${event} />
          <${Reviews} event=${event} />
        </div>
      </div>
    </article>
  `;
}

/** Text of an organizer: empty lines part paragraphs. @param {string} text */
function paragraphs(text) {
  return text.split(/\n\s*\n/).map((part) => html`<p class="lines">${part}</p>`);
}

/** @param {{event: Event}} props */
function State({ event }) {
  if (event.status === "CANCELLED") {
    return html`<${Note} kind="bad"><p><b>${t("This event was cancelled.")}</b> ${event.cancel_reason}</p><p>${t("Everyone who paid gets a full refund.")}</p><//>`;
  }
  if (event.status === "DRAFT") return html`<${Note}>${t("This is a draft: only you see it.")}<//>`;
  if (!event.moved) return null;
  return html`<${Note} kind="warn">
    ${t("The time or place changed on {day}. If you had bought before, you may cancel for a full refund until {until}.", {
      day: format.day(event.moved.at, event.timezone),
      until: format.time(event.moved.cancel_until, event.timezone),
    })}
  <//>`;
}

/** @param {{event: Event}} props */
function Buy({ event }) {
  const sale = saleOf(event, Date.now());
  return html`<${Card} title=${t("Tickets")} actions=${html`<span aria-live="polite"><${SaleBadge} of=${event} /></span>`}>
    <table class="prices">
      <caption class="visually-hidden">${t("Prices")}</caption>
      <tbody>
        ${event.tiers.map((tier) => html`<tr key=${tier.id}><th scope="row">${tier.name}</th><td class="number">${tier.price.amount ? html`<${Money} of=${tier.price} />` : t("Free")}</td></tr>`)}
      </tbody>
    </table>
    ${sale.buy
      ? html`<p><${LinkButton} kind="primary" class="wide" href=${`/events/${event.id}/seats`}>${t("Choose tickets")}<//></p>`
      : html`<p class="muted">${sale.text}</p>`}
    ${event.tax_percent > 0 && html`<p class="small muted">${t("Plus {percent} % tax; the whole price is shown before you pay.", { percent: format.number(event.tax_percent) })}</p>`}
    <p class="small muted">${n(event.max_per_customer, "At most {n} ticket per person.", "At most {n} tickets per person.")} ${refundWords(event)}</p>
  <//>`;
}

/** @param {Event} event */
function refundWords(event) {
  const { percent, until_hours_before: hours } = event.refund_policy;
  if (!percent) return t("Tickets can't be cancelled.");
  return n(hours, "Until {n} hour before the start you may cancel and get {percent} % back.", "Until {n} hours before the start you may cancel and get {percent} % back.", { percent: format.number(percent) });
}

/** @param {{event: Event}} props */
function Time({ event }) {
  const zone = format.foreignZone(event.starts_at, event.timezone);
  return html`<${Card} title=${t("When")}>
    <p><time datetime=${event.starts_at}>${format.span(event.starts_at, event.ends_at, event.timezone)}</time></p>
    ${zone && html`<p class="small muted">${t("Local time of the event ({zone}). In your time zone: {time}.", { zone, time: format.time(event.starts_at, undefined) })}</p>`}
    ${event.doors_at && html`<p>${t("Doors open at {time}", { time: format.clock(event.doors_at, event.timezone) })}</p>`}
    <p><a href=${`/api/v1/events/${event.id}/calendar.ics`} download>${t("Add to calendar")}</a></p>
  <//>`;
}

/** @param {{event: Event}} props */
function Place({ event }) {
  const { venue } = event;
  if (!venue) return html`<${Card} title=${t("Where")}><p>${event.location}</p><//>`;
  const words = `${venue.name}, ${venue.address}, ${venue.city}`;
  return html`<${Card} title=${t("Where")}>
    <address><b>${venue.name}</b><br />${venue.address}<br />${venue.city}</address>
    <p><a href=${`https://www.openstreetmap.org/search?query=${encodeURIComponent(words)}`} target="_blank" rel="noopener noreferrer">${t("Show on a map")}<span class="visually-hidden"> ${t("(opens in a new window)")}</span></a></p>
    ${venue.amenities.length > 0 && html`<p class="small muted">${venue.amenities.join(" · ")}</p>`}
  <//>`;
}

/** @param {{event: Event}} props */
function Gallery({ event }) {
  const images = event.images.slice(1);
  if (!images.length) return null;
  return html`<section aria-label=${t("Pictures")} class="grid gallery">
    ${images.map((image) => html`<img key=${image.id} src=${`${image.url}?w=${image.widths[0]}`} width=${image.width} height=${image.height} loading="lazy" alt="" />`)}
  </section>`;
}

/** @param {{event: Event}} props */
function Terms({ event }) {
  if (!event.terms) return null;
  return html`<details class="card"><summary>${t("Terms of the organizer")}</summary>${paragraphs(event.terms)}</details>`;
}

/** @param {{event: Event}} props */
function Reviews({ event }) {
  const reviews = usePages(
    (cursor, signal) => take(api.GET("/api/v1/events/{event_id}/reviews", { params: { path: { event_id: event.id }, query: { cursor, limit: 10 } }, signal })),
    [event.id, event.rating?.count ?? 0],
  );
  const begun = new Date(event.starts_at).getTime() < Date.now();
  if (!event.rating && !begun) return null;
  return html`<${Card} title=${t("Reviews")}>
    ${event.rating && html`<p><${Stars} rating=${event.rating.average} /> ${n(event.rating.count, "{n} review", "{n} reviews")}</p>`}
    ${begun && html`<${Write} event=${event} onWritten=${reviews.reload} />`}
    <${Pages} of=${reviews} empty=${t("Nobody has written a review yet.")}>
      ${(/** @type {import("api").components["schemas"]["Review"]} */ review) => html`<li key=${review.id}>
        <p><${Stars} rating=${review.rating} /> <b>${review.author}</b> <span class="muted small"><${When} at=${review.updated_at} options=${{ dateStyle: "medium" }} /></span></p>
        ${review.text && paragraphs(review.text)}
      </li>`}
    <//>
  <//>`;
}

/** @param {{rating: number}} props */
function Stars({ rating }) {
  const whole = Math.round(rating);
  const words = t("{rating} of 5 stars", { rating: format.number(rating) });
  return html`<span class="stars" role="img" aria-label=${words}>${"★".repeat(whole)}${"☆".repeat(5 - whole)}</span>`;
}

/** Its form comes when somebody opens it. @param {{event: Event, onWritten: () => unknown}} props */
function Write({ event, onWritten }) {
  const [Form, setForm] = useState(/** @type {any} */ (null));
  if (!user.value) return null;
  const open = () => import("./review.js").then((module) => setForm(() => module.Form), () => {});
  return html`<details onToggle=${open}>
    <summary>${t("Write a review")}</summary>
    ${Form && html`<${Form} event=${event} onWritten=${onWritten} />`}
  </details>`;
}
