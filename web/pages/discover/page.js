/** Discover: what is on, by words, category, city, days and price. */
import { useMemo, useState } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { boot, usePages } from "../../core/load.js";
import { query as setQuery } from "../../core/router.js";
import { CATEGORY_LIST, Picture, SaleBadge, categoryName, placeOf, pricesOf } from "../../parts/event.js";
import { Button, Field, Heading, Pages, valuesOf } from "../../parts/ui.js";

const PAGE = 24;
/** The document asks for the first picture before, for the same width: gateway/site/pages.py. */
const CARD_SIZES = "(max-width: 40rem) 100vw, 18rem";
/** The currency in which people say a price here; the filter is in minor units of each event's own. */
const CURRENCY = "NPR";

/** What narrows the list, besides words: folded away on a phone, where events come first. */
const FILTERS = ["category", "city", "from", "to", "least", "most"];
const PHONE = "(max-width: 40rem)";

const SORTS = /** @type {const} */ (["starts_at", "price", "-price", "popularity"]);
const SORT_NAMES = {
  starts_at: () => t("Soonest first"),
  price: () => t("Cheapest first"),
  "-price": () => t("Most expensive first"),
  popularity: () => t("Most popular first"),
};

/**
 * What the API is asked for, from what the address says. Days are the reader's own.
 *
 * @param {URLSearchParams} query
 */
export function filtersOf(query) {
  const text = (/** @type {string} */ name) => query.get(name)?.trim() || undefined;
  const minor = (/** @type {string} */ name) => {
    const value = Number(text(name));
    return text(name) !== undefined && Number.isFinite(value) && value >= 0 ? Math.round(value * 10 ** format.digits(CURRENCY)) : undefined;
  };
  const day = (/** @type {string} */ name, /** @type {number} */ days) => {
    const value = text(name);
    const at = value && /^\d{4}-\d\d-\d\d$/.test(value) ? new Date(`${value}T00:00:00`) : null;
    if (!at || Number.isNaN(at.getTime())) return undefined;
    at.setDate(at.getDate() + days);
    return at.toISOString();
  };
  return {
    q: text("q"),
    category: CATEGORY_LIST.find((one) => one === text("category")),
    city: text("city"),
    from: day("from", 0),
    to: day("to", 1),
    min_price: minor("least"),
    max_price: minor("most"),
    sort: SORTS.find((one) => one === text("sort")),
  };
}

/** The events that came with the document, once: whoever comes back to the page is shown them as they are then. */
function fromDocument() {
  const { events } = boot;
  delete boot.events;
  return events;
}

/** @param {{query: URLSearchParams}} props */
export default function Discover({ query }) {
  const asked = query.toString();
  const filters = useMemo(() => filtersOf(query), [asked]);
  const [begun] = useState(() => (asked ? undefined : fromDocument()));
  const events = usePages(
    (cursor, signal) => take(api.GET("/api/v1/events", { params: { query: { ...filters, cursor, limit: PAGE } }, signal })),
    [asked],
    begun,
  );
  const search = (/** @type {Event} */ event) => setQuery({ ...valuesOf(event) }, { replace: false });
  const change = (/** @type {Event} */ event) => /** @type {HTMLElement} */ (event.target).closest("form")?.requestSubmit();
  const value = (/** @type {string} */ name) => query.get(name) ?? "";
  const chosen = FILTERS.filter(value).length;
  return html`
    <${Heading} title=${t("What's on")} />
    <form key=${asked} class="search" role="search" onSubmit=${search}>
      <${Field} class="search-words" label=${t("Search")} name="q" type="search" defaultValue=${value("q")} optional=${true} maxlength="200" placeholder=${t("Title, artist, place …")} />
      <div class="actions">
        <${Button} kind="primary" type="submit">${t("Find tickets")}<//>
        ${asked && html`<a href="/" class="button button-quiet">${t("Clear all")}</a>`}
      </div>
      <details class="filters" open=${chosen > 0 || !matchMedia(PHONE).matches}>
        <summary>${chosen ? t("Filters ({count})", { count: format.number(chosen) }) : t("Filters")}</summary>
        <div class="filters-fields">
          <${Field} label=${t("Category")} name="category" as="select" optional=${true} onChange=${change}>
            <option value="">${t("All")}</option>
            ${CATEGORY_LIST.map((category) => html`<option value=${category} selected=${category === value("category")}>${categoryName(category)}</option>`)}
          <//>
          <${Field} label=${t("City")} name="city" defaultValue=${value("city")} optional=${true} maxlength="100" />
          <${Field} label=${t("From")} name="from" type="date" defaultValue=${value("from")} optional=${true} onChange=${change} />
          <${Field} label=${t("Until")} name="to" type="date" defaultValue=${value("to")} optional=${true} onChange=${change} />
          <${Field} label=${t("Lowest price")} name="least" type="number" min="0" inputmode="decimal" defaultValue=${value("least")} optional=${true} />
          <${Field} label=${t("Highest price")} name="most" type="number" min="0" inputmode="decimal" defaultValue=${value("most")} optional=${true} />
          <${Field} label=${t("Sort by")} name="sort" as="select" optional=${true} onChange=${change}>
            ${SORTS.map((sort) => html`<option value=${sort} selected=${sort === (filters.sort ?? "starts_at")}>${SORT_NAMES[sort]()}</option>`)}
          <//>
        </div>
      </details>
    </form>
    <${Pages} of=${events} class="grid cards" empty=${t("No events found. Try other words, another day or another city.")}>
      ${(/** @type {import("../../parts/event.js").Event} */ event, /** @type {number} */ at) => html`<li key=${event.id}>
        <article class="event-card">
          <${Picture} of=${event} sizes=${CARD_SIZES} first=${at === 0} />
          <div class="event-card-text">
            <p class="small muted">${categoryName(event.category)} · <time datetime=${event.starts_at}>${format.day(event.starts_at, event.timezone)}, ${format.clock(event.starts_at, event.timezone)}</time></p>
            <h2><a href=${`/events/${event.id}`}>${event.title}</a></h2>
            <p>${placeOf(event)}</p>
            <p class="event-card-foot"><b>${pricesOf(event)}</b> <${SaleBadge} of=${event} /></p>
          </div>
        </article>
      </li>`}
    <//>
  `;
}
