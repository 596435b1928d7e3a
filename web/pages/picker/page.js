/** Choosing places: the best there are, from a map, from a list, or by number. The choice is a hold. */
import { useEffect, useMemo, useReducer, useRef, useState } from "../../vendor/hooks.js";
import { announce } from "../../core/announce.js";
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { boot, useLoad } from "../../core/load.js";
import { Problem } from "../../core/problems.js";
import { query as setQuery, wayBack } from "../../core/router.js";
import { known, user } from "../../core/session.js";
import { followWhileSeen } from "../../core/stream.js";
import { placeName } from "../../parts/booking.js";
import { placeOf, saleOf } from "../../parts/event.js";
import { HoldOver, HoldTimer } from "../../parts/hold_timer.js";
import { NotFound } from "../../parts/layout.js";
import { Button, Card, Dialog, Field, Heading, LinkButton, Loaded, Money, Note, Stepper, Tabs, Trouble } from "../../parts/ui.js";
import { FREE, HELD, Hall } from "./hall.js";
import { SeatList } from "./list.js";
import { SeatMap } from "./map.js";
import { OfOtherEvents, OfThisEvent } from "./others.js";
import { useSelection } from "./selection.js";

/** @typedef {import("../../parts/event.js").Event} Event */
/** @typedef {Event["tiers"][number]} Tier */

/** Counts are shown anew so often at most, whatever the stream brings. */
const REDRAWN_MILLISECONDS = 500;
const USUAL_PARTY = 2;
/** So long after its document came, the event in it is as good as asked for. */
const FRESH_MILLISECONDS = 60_000;

/** @param {string} event_id @param {AbortSignal} signal */
async function load(event_id, signal) {
  const asked = { params: { path: { event_id } }, signal };
  const map = take(api.GET("/api/v1/events/{event_id}/seats", asked));
  map.catch(() => {}); // told below, where there is to be one
  const event = boot.event?.id === event_id && performance.now() < FRESH_MILLISECONDS ? boot.event : await take(api.GET("/api/v1/events/{event_id}", asked));
  if (event.status !== "PUBLISHED") return { event, hall: null };
  return { event, hall: new Hall(await map) };
}

/** @param {{params: {event_id: string}, query: URLSearchParams}} props */
export default function Picker({ params, query }) {
  const id = params.event_id;
  const loaded = useLoad((signal) => load(id, signal), [id]);
  if (loaded.error instanceof Problem && loaded.error.status === 404) return html`<${NotFound} />`;
  const told = loaded.data?.event ?? (boot.event?.id === id ? boot.event : null);
  return html`${told && html`<${Top} event=${told} />`}<${Loaded} of=${loaded} title=${told ? undefined : t("Events")}>
    ${(/** @type {{event: Event, hall: Hall | null}} */ { event, hall }) => (hall ? html`<${Places} event=${event} hall=${hall} query=${query} />` : html`<${NotOnSale} event=${event} />`)}
  <//>`;
}

/** What the document begins with, too: gateway/site/shell.html. @param {{event: Event}} props */
function Top({ event }) {
  return html`
    <${Heading} title=${t("Choose tickets: {event}", { event: event.title })}><a href=${`/events/${event.id}`}>${event.title}</a><//>
    <p class="muted">${format.time(event.starts_at, event.timezone)} · ${placeOf(event)}</p>
  `;
}

/** @param {{event: Event}} props */
function NotOnSale({ event }) {
  return html`
    <${Note} kind="warn" live=${false}>
      <p>${saleOf(event, Date.now()).text}</p>
      <p><${LinkButton} href=${`/events/${event.id}`}>${t("Back to the event")}<//></p>
    <//>
  `;
}

/** The hall as it changes, and a number that grows with it. @param {string} eventId @param {Hall} hall */
function useLive(eventId, hall) {
  const [, redraw] = useReducer((/** @type {number} */ count) => count + 1, 0);
  const [open, setOpen] = useState(true);
  useEffect(() => {
    let waits = false;
    const unwatch = hall.watch(() => {
      if (waits) return;
      waits = true;
      setTimeout(() => {
        waits = false;
        redraw(undefined);
      }, REDRAWN_MILLISECONDS);
    });
    const unfollow = followWhileSeen(`/api/v1/events/${eventId}/seats/stream`, {
      on(kind, data) {
        if (kind === "snapshot") hall.snapshot(data.taken, data.pools);
        if (kind === "delta") hall.delta(data.changes, data.pools);
      },
      state: setOpen,
    });
    return () => {
      unwatch();
      unfollow();
    };
  }, [eventId, hall]);
  return open;
}

/** @param {{event: Event, hall: Hall, query: URLSearchParams}} props */
function Places({ event, hall, query }) {
  const open = useLive(event.id, hall);
  const tiers = useMemo(() => new Map(event.tiers.map((tier, index) => [tier.id, { tier, index }])), [event]);
  const [only, setOnly] = useState(/** @type {ReadonlySet<string>} */ (new Set()));
  const [taken, setTaken] = useState(/** @type {string[]} */ ([]));
  const [asked, setAsked] = useState(""); // a tier without numbered seats, by its id
  const selection = useSelection(event.id, setTaken);
  const top = useRef(/** @type {HTMLElement | null} */ (null));

  const mine = seatNos(hall, selection.hold?.lines.flatMap((line) => line.seat_id ?? []) ?? []);
  const pending = new Set([...seatNos(hall, selection.wish.seats)].filter((seat) => !mine.has(seat)));
  /** @type {import("./view.js").Look} */
  const look = {
    mine,
    pending,
    tierIndex: (tier) => tiers.get(tier)?.index ?? 0,
    isShown: (tier) => only.size === 0 || only.has(tier),
    stage: t("Stage"),
    words(pool) {
      const own = selection.hold?.lines.find((line) => line.section_id === pool.id);
      return [own ? `✓ ${format.number(own.quantity)} ${t("yours")}` : "", leftWords(pool.available)];
    },
  };
  const label = (/** @type {number} */ seat) => (seat < hall.count ? seatWords(hall, tiers, look, seat) : areaWords(hall, tiers, look, seat));

  const onPick = (/** @type {number} */ seat) => {
    const seatId = /** @type {string} */ (hall.ids[seat]);
    const pool = hall.areas[seat - hall.count]?.pool;
    if (!user.value) {
      top.current?.scrollIntoView({ block: "nearest" });
      announce(t("Log in first."));
      return;
    }
    if (pool) {
      setTaken([]);
      selection.forget();
      setAsked(pool.tier);
      return;
    }
    if (!selection.wish.seats.has(seatId) && !hall.isFree(seat)) {
      announce(label(seat));
      return;
    }
    setTaken([]);
    void selection.toggle(seatId);
  };

  const count = selection.hold?.lines.reduce((sum, line) => sum + line.quantity, 0) ?? 0;
  useEffect(() => {
    if (selection.hold) announce(n(count, "{n} ticket is held for you.", "{n} tickets are held for you."));
  }, [count]);

  const filter = (/** @type {string} */ tier) => {
    const next = new Set(only);
    if (!next.delete(tier)) next.add(tier);
    setOnly(next);
  };
  const map = () => html`<${SeatMap} hall=${hall} look=${look} label=${label} onPick=${onPick} />`;
  const tabs = [
    { id: "map", label: t("Map"), show: map },
    { id: "list", label: t("List"), show: () => html`<${SeatList} hall=${hall} look=${look} label=${label} onPick=${onPick} />` },
  ];
  return html`
    <div ref=${top}>${known.value && !user.value && html`<${LogInFirst} />`}</div>
    ${!event.sales.open && html`<${Note} kind="warn" live=${false}>${saleOf(event, Date.now()).text}<//>`}
    ${!open && html`<${Note} kind="warn">${t("Live updates are interrupted and will resume by themselves. What you choose is still checked.")}<//>`}
    <div class="columns picker">
      <div class="asking">
        ${hall.count > 0 && html`<${Best} event=${event} hall=${hall} tiers=${tiers} selection=${selection} />`}
        <${Counted} event=${event} hall=${hall} tiers=${tiers} selection=${selection} />
      </div>
      <div class="hall">
        ${hall.places > 0 && html`
          <${Legend} hall=${hall} tiers=${tiers} only=${only} onFilter=${filter} />
          ${hall.count ? html`<${Tabs} label=${t("How to choose")} tabs=${tabs} chosen=${query.get("view")} onChoose=${(/** @type {string} */ view) => setQuery({ view: view === "map" ? null : view })} />` : map()}
        `}
        <${AskedFor} event=${event} hall=${hall} tiers=${tiers} selection=${selection} tier=${asked} onClose=${() => setAsked("")} />
      </div>
      <aside aria-label=${t("Your selection")} class="choice">
        <${Choice} event=${event} hall=${hall} selection=${selection} mine=${mine} taken=${taken} />
      </aside>
    </div>
    ${selection.hold && html`<div class="choice-bar">
      <span>${n(count, "{n} ticket", "{n} tickets")} · <${Money} of=${selection.hold.total} /></span>
      <${LinkButton} kind="primary" href=${`/checkout/${selection.hold.id}`}>${t("Continue")}<//>
    </div>`}
  `;
}

/** @param {Hall} hall @param {Iterable<string>} ids @returns {Set<number>} */
function seatNos(hall, ids) {
  const seats = new Set(/** @type {number[]} */ ([]));
  for (const id of ids) {
    const seat = hall.at.get(id);
    if (seat !== undefined) seats.add(seat);
  }
  return seats;
}

/** Row, number, kind, price and state of a seat. @param {Hall} hall @param {Map<string, {tier: Tier, index: number}>} tiers @param {import("./view.js").Look} look @param {number} seat */
function seatWords(hall, tiers, look, seat) {
  const section = hall.sectionOfSeat(seat);
  const tier = tiers.get(section.tier)?.tier;
  const state = look.mine.has(seat)
    ? t("yours")
    : look.pending.has(seat)
      ? t("being requested")
      : hall.state[seat] === FREE
        ? t("available")
        : hall.state[seat] === HELD
          ? t("held by somebody")
          : t("not available");
  return t("{section}, row {row}, seat {number}: {tier}, {price}, {state}", {
    section: section.name,
    row: hall.rowOfSeat(seat).label,
    number: hall.numbers[seat],
    tier: tier?.name ?? "",
    price: tier ? priceWords(tier) : "",
    state,
  });
}

/** @param {number} left */
const leftWords = (left) => (left ? n(left, "{n} left", "{n} left") : t("Sold out"));

/** The same of an area. @param {Hall} hall @param {Map<string, {tier: Tier, index: number}>} tiers @param {import("./view.js").Look} look @param {number} area */
function areaWords(hall, tiers, look, area) {
  const pool = hall.areas[area - hall.count]?.pool;
  const tier = pool && tiers.get(pool.tier)?.tier;
  return tier ? [`${pool.name}: ${tier.name}`, priceWords(tier), ...look.words(pool)].filter(Boolean).join(", ") : "";
}

/** @param {Tier} tier */
const priceWords = (tier) => (tier.price.amount ? format.money(tier.price) : t("Free"));

function LogInFirst() {
  return html`<${Note} live=${false}>
    <p>${t("Look around. To have tickets held for you, log in: you come back here.")}</p>
    <p class="actions"><${LinkButton} kind="primary" href=${`/login${wayBack()}`}>${t("Log in")}<//><${LinkButton} href=${`/register${wayBack()}`}>${t("Register")}<//></p>
  <//>`;
}

/** @param {{event: Event, hall: Hall, tiers: Map<string, {tier: Tier, index: number}>, selection: ReturnType<typeof useSelection>}} props */
function Best({ event, hall, tiers, selection }) {
  const [quantity, setQuantity] = useState(Math.min(USUAL_PARTY, event.max_per_customer));
  const [where, setWhere] = useState({ tier: "", section: "" });
  const seated = [...tiers.values()].filter(({ tier }) => hall.sections.some((section) => section.tier === tier.id));
  const sections = hall.sections.filter((section) => !where.tier || section.tier === where.tier);
  const has = selection.wish.seats.size > 0;
  return html`<${Card} title=${t("How many tickets?")} class="best">
    <div class="best-form">
      <${Stepper} label=${t("How many tickets?")} value=${quantity} min=${1} max=${event.max_per_customer} onChange=${setQuantity} />
      ${seated.length > 1 && html`<${Field} label=${t("Price")} name="best-tier" as="select" value=${where.tier} onChange=${(/** @type {any} */ changed) => setWhere({ tier: changed.currentTarget.value, section: "" })}>
        <option value="">${t("Any")}</option>
        ${seated.map(({ tier }) => html`<option value=${tier.id}>${tier.name}, ${priceWords(tier)}</option>`)}
      <//>`}
      ${sections.length > 1 && html`<${Field} label=${t("Section")} name="best-section" as="select" value=${where.section} onChange=${(/** @type {any} */ changed) => setWhere({ ...where, section: changed.currentTarget.value })}>
        <option value="">${t("Any")}</option>
        ${sections.map((section) => html`<option value=${section.id}>${section.name}</option>`)}
      <//>`}
      <${Button} kind=${has ? "plain" : "primary"} busy=${selection.busy} disabled=${!user.value} onClick=${() => selection.find({ quantity, ...where })}>
        ${has ? t("Find other seats") : n(quantity, "Best seat", "Best {n} seats")}
      <//>
    </div>
    <p class="small muted">${t("Side by side, as near to the middle of the stage as there are, and no single seat is left alone. Or choose yourself.")}</p>
  <//>`;
}

/** What the colours and signs mean; the prices also choose what is shown. @param {{hall: Hall, tiers: Map<string, {tier: Tier, index: number}>, only: ReadonlySet<string>, onFilter: (tier: string) => void}} props */
function Legend({ hall, tiers, only, onFilter }) {
  const parts = [...hall.sections, ...hall.areas.map(({ pool }) => pool)];
  const free = (/** @type {string} */ tier) => parts.filter((part) => part.tier === tier).reduce((sum, part) => sum + ("first" in part ? hall.free(part.first, part.end) : part.available), 0);
  const drawn = [...tiers.values()].filter(({ tier }) => parts.some((part) => part.tier === tier.id));
  return html`<div class="legend">
    <div class="legend-tiers" role="group" aria-label=${t("Show only these prices")}>
      ${drawn.map(({ tier, index }) => html`<button type="button" key=${tier.id} class="legend-tier" aria-pressed=${only.has(tier.id) ? "true" : "false"} onClick=${() => onFilter(tier.id)}>
        <span class=${`dot tier-${(index % 6) + 1}`} aria-hidden="true"></span>
        <span>${tier.name}, ${priceWords(tier)}</span>
        <span class="muted">${leftWords(free(tier.id))}</span>
      </button>`)}
    </div>
    ${hall.count > 0 && html`<ul class="legend-signs" aria-label=${t("Legend")}>
      <li><span aria-hidden="true">●</span> ${t("available")}</li>
      <li><span aria-hidden="true">✓</span> ${t("yours")}</li>
      <li><span aria-hidden="true">◔</span> ${t("held by somebody")}</li>
      <li><span aria-hidden="true">×</span> ${t("not available")}</li>
    </ul>`}
  </div>`;
}

/** Places without a number, by tier. @param {{event: Event, hall: Hall, tiers: Map<string, {tier: Tier, index: number}>, selection: ReturnType<typeof useSelection>}} props */
function Counted({ event, hall, tiers, selection }) {
  const counted = [...tiers.values()].filter(({ tier }) => hall.pools.some((pool) => pool.tier === tier.id));
  if (!counted.length) return null;
  return html`<${Card} title=${hall.count ? t("General admission") : t("Tickets")}>
    <ul class="list">
      ${counted.map(({ tier }) => html`<li key=${tier.id} class="counted"><${HowMany} event=${event} hall=${hall} tier=${tier} selection=${selection} /></li>`)}
    </ul>
  <//>`;
}

/** How many of a tier without numbers. @param {{event: Event, hall: Hall, tier: Tier, selection: ReturnType<typeof useSelection>}} props */
function HowMany({ event, hall, tier, selection }) {
  const pools = hall.pools.filter((pool) => pool.tier === tier.id);
  const left = pools.reduce((sum, pool) => sum + pool.available, 0);
  const names = pools.map((pool) => pool.name).join(", ");
  const value = selection.wish.tickets.get(tier.id) ?? 0;
  return html`
    <span><b>${tier.name}</b>${names !== tier.name && html` <span class="muted">${names}</span>`}<br />
      ${priceWords(tier)} · <span class="muted">${leftWords(left)}</span></span>
    <${Stepper} label=${tier.name} value=${value} min=${0} max=${user.value ? Math.min(event.max_per_customer, value + left) : 0} onChange=${(/** @type {number} */ to) => selection.setTickets(tier.id, to)} />
  `;
}

/** The tier whose area was chosen on the map. @param {{event: Event, hall: Hall, tiers: Map<string, {tier: Tier, index: number}>, selection: ReturnType<typeof useSelection>, tier: string, onClose: () => void}} props */
function AskedFor({ event, hall, tiers, selection, tier: id, onClose }) {
  const tier = tiers.get(id)?.tier;
  return html`<${Dialog} open=${Boolean(tier)} title=${t("How many tickets?")} onClose=${onClose}>
    ${tier && html`<div class="counted"><${HowMany} event=${event} hall=${hall} tier=${tier} selection=${selection} /></div>`}
    <p class="small muted" role="status">${selection.busy && t("Asking the box office …")}</p>
    <${Trouble} error=${selection.error} />
    <div class="actions end"><${Button} kind="primary" onClick=${onClose}>${t("Back to the map")}<//></div>
  <//>`;
}

/** What is kept for one, and how long. @param {{event: Event, hall: Hall, selection: ReturnType<typeof useSelection>, mine: Set<number>, taken: string[]}} props */
function Choice({ event, hall, selection, mine, taken }) {
  const { hold } = selection;
  const frame = useRef(/** @type {HTMLElement | null} */ (null));
  const reason = selection.error instanceof Problem ? selection.error.reason : "";
  const names = taken.flatMap((id) => {
    const seat = hall.at.get(id);
    return seat === undefined ? [] : [placeName({ section: hall.sectionOfSeat(seat).name, row: hall.rowOfSeat(seat).label, number: hall.numbers[seat] ?? "", tier: "" })];
  });
  const drop = (/** @type {import("./selection.js").Hold} */ other) => {
    frame.current?.focus(); // its button goes
    void selection.drop(other);
  };
  return html`
    <${Trouble} error=${selection.error}>
      ${reason === "NO_ADJACENT_SEATS" && html`<p>${t("Try fewer, another price or section, or choose yourself.")}</p>`}
      ${reason === "SEATS_UNAVAILABLE" && names.length > 0 && html`<p>${t("Could not be held for you: {places}.", { places: names.join("; ") })}</p>`}
      ${reason === "HOLD_LIMIT" && html`<${OfOtherEvents} eventId=${event.id} onDrop=${drop} />`}
    <//>
    ${selection.lost && html`<${HoldOver} how=${selection.lost} />`}
    <${OfThisEvent} holds=${selection.others} onDrop=${drop} />
    <div ref=${frame} tabindex="-1">
    <${Card} title=${t("Your selection")}>
      ${hold ? html`<${Chosen} event=${event} hall=${hall} selection=${selection} hold=${hold} mine=${mine} onLeft=${() => frame.current?.focus()} />` : html`<p class="muted">${user.value ? t("Nothing yet. What you choose is held for you at once.") : t("Nothing yet.")}</p>`}
      ${selection.busy && html`<p class="small muted" aria-live="polite">${t("Asking the box office …")}</p>`}
    <//>
    </div>
  `;
}

/** @param {{event: Event, hall: Hall, selection: ReturnType<typeof useSelection>, hold: import("./selection.js").Hold, mine: Set<number>, onLeft: () => void}} props onLeft: a button goes with what it lets go, so the focus goes elsewhere */
function Chosen({ event, hall, selection, hold, mine, onLeft }) {
  const lonely = hall.lonely(mine);
  return html`
    <ul class="list chosen">
      ${hold.lines.map((line) => html`<li key=${line.seat_id ?? line.section_id}>
        <span>${placeName(line)}${line.quantity > 1 && ` × ${format.number(line.quantity)}`}<br /><span class="muted small">${line.tier}</span></span>
        <${Money} of=${{ ...line.price, amount: line.price.amount * line.quantity }} />
        <${Button} kind="quiet" aria-label=${t("Release: {place}", { place: placeName(line) })} onClick=${() => {
          onLeft();
          void (line.seat_id ? selection.toggle(line.seat_id) : selection.setTickets(line.tier_id, 0));
        }}>✕<//>
      </li>`)}
    </ul>
    <p class="choice-total"><span>${t("Total")}</span> <b><${Money} of=${hold.total} /></b></p>
    ${event.tax_percent > 0 && html`<p class="small muted">${t("Tax and fees are shown before you pay.")}</p>`}
    ${lonely.length > 0 && html`<${Note} kind="info">
      <p>${n(lonely.length, "{n} free seat beside yours would be left alone between taken ones: {seats}.", "{n} free seats beside yours would be left alone between taken ones: {seats}.", { seats: lonely.map((seat) => `${hall.rowOfSeat(seat).label} ${hall.numbers[seat]}`).join(", ") })}</p>
      <p>${t("A single seat is hard to sell. If you don't mind, move by one seat; you may also continue as it is.")}</p>
    <//>`}
    <${HoldTimer} hold=${hold} onExtended=${selection.extended} onOver=${selection.ended} />
    <div class="actions">
      <${LinkButton} kind="primary" class="wide" href=${`/checkout/${hold.id}`}>${t("Continue")}<//>
      <${Button} kind="quiet" onClick=${() => {
        onLeft();
        void selection.letGo();
      }}>${t("Release all")}<//>
    </div>
  `;
}
