/** What several pages say of an event. */
import * as format from "../core/format.js";
import { html } from "../core/html.js";
import { n, t } from "../core/i18n.js";
import { Badge } from "./ui.js";

/** @typedef {import("api").components["schemas"]["Event"]} Event */

/** @type {Record<Event["category"], () => string>} */
const CATEGORIES = {
  CONCERT: () => t("Concert"),
  THEATRE: () => t("Theatre"),
  DANCE: () => t("Dance"),
  COMEDY: () => t("Comedy"),
  SPORT: () => t("Sport"),
  FILM: () => t("Film"),
  FESTIVAL: () => t("Festival"),
  CONFERENCE: () => t("Conference"),
  FAMILY: () => t("Family"),
  OTHER: () => t("Other"),
};

export const CATEGORY_LIST = /** @type {Event["category"][]} */ (Object.keys(CATEGORIES));

/** A category in words. @param {Event["category"]} category */
export const categoryName = (category) => CATEGORIES[category]();

/** Where an event is, in words. @param {Pick<Event, "venue" | "location">} event */
export function placeOf(event) {
  return event.venue ? `${event.venue.name}, ${event.venue.city}` : (event.location ?? "");
}

/** The lowest and the highest price. @param {Pick<Event, "tiers">} event */
export function pricesOf(event) {
  const prices = event.tiers.map((tier) => tier.price).sort((a, b) => a.amount - b.amount);
  const [least] = prices;
  const most = prices.at(-1);
  if (!least || !most) return "";
  if (most.amount === 0) return t("Free");
  if (least.amount === most.amount) return format.money(least);
  return t("{least} to {most}", { least: least.amount ? format.money(least) : t("free"), most: format.money(most) });
}

/**
 * Whether and how an event is sold, in words and as a kind of badge.
 *
 * @param {Event} event
 * @param {number} now milliseconds
 * @returns {{kind: "good" | "warn" | "bad" | "info", text: string, buy: boolean}}
 */
export function saleOf(event, now) {
  if (event.status === "CANCELLED") return { kind: "bad", text: t("Cancelled"), buy: false };
  if (event.status === "COMPLETED" || new Date(event.ends_at).getTime() < now) return { kind: "info", text: t("Ended"), buy: false };
  if (event.status !== "PUBLISHED") return { kind: "info", text: t("Not on sale yet"), buy: false };
  if (event.sales.from && new Date(event.sales.from).getTime() > now) {
    return { kind: "info", text: t("On sale from {time}", { time: format.time(event.sales.from, event.timezone) }), buy: false };
  }
  if (!event.sales.open) return { kind: "info", text: t("Sale closed"), buy: false };
  const { available, capacity } = event.availability ?? { available: 1, capacity: 1 };
  if (available === 0) return { kind: "bad", text: t("Sold out"), buy: false };
  if (available <= Math.max(10, capacity * 0.1)) return { kind: "warn", text: n(available, "{n} left", "{n} left"), buy: true };
  return { kind: "good", text: n(available, "{n} available", "{n} available"), buy: true };
}

/** @param {{of: Event}} props */
export function SaleBadge({ of }) {
  const { kind, text } = saleOf(of, Date.now());
  return html`<${Badge} kind=${kind}>${text}<//>`;
}

/**
 * A picture of an event in the width that fits; events without one get a ground of their own.
 *
 * @param {{of: Event, sizes: string, first?: boolean}} props first: seen before anything is scrolled
 */
export function Picture({ of, sizes, first = false }) {
  const image = of.images[0];
  if (!image) return html`<div class=${`picture picture-${of.category.toLowerCase()}`} aria-hidden="true"><span>${of.title.slice(0, 1)}</span></div>`;
  return html`<div class="picture"><img
    src=${`${image.url}?w=${image.widths[0]}`}
    srcset=${image.widths.map((width) => `${image.url}?w=${width} ${width}w`).join(", ")}
    sizes=${sizes}
    width=${image.width}
    height=${image.height}
    alt=""
    loading=${first ? "eager" : "lazy"}
    decoding=${first ? "sync" : "async"}
  /></div>`;
}
