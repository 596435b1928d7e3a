/**
 * What somebody has chosen: their hold, as the box office has it. What is wished for is sent at
 * once, one request after the other; what the box office refuses is no longer wished for.
 */
import { useEffect, useRef, useState } from "../../vendor/hooks.js";
import { api, newKey, take } from "../../core/api.js";
import { Problem } from "../../core/problems.js";
import { user } from "../../core/session.js";
import { endOf } from "../../parts/hold_timer.js";

/** @typedef {import("api").components["schemas"]["Hold"]} Hold */
/** @typedef {{seats: Set<string>, tickets: Map<string, number>}} Wish seats by id, counted tickets by tier */
/** @typedef {{quantity: number, tier: string, section: string}} Best */

/** The hold ended: its time is over, or it was booked or let go elsewhere. */
const ENDED = ["HOLD_EXPIRED", "HOLD_NOT_ACTIVE", "HOLD_NOT_FOUND"];

/** @param {Hold | null} hold @returns {Wish} */
export function wishOf(hold) {
  const seats = new Set(/** @type {string[]} */ ([]));
  const tickets = new Map();
  for (const line of hold?.lines ?? []) {
    if (line.seat_id) seats.add(line.seat_id);
    else tickets.set(line.tier_id, (tickets.get(line.tier_id) ?? 0) + line.quantity);
  }
  return { seats, tickets };
}

/** What one wish has beyond another. @param {Wish} more @param {Wish} than */
function beyond(more, than) {
  const seat_ids = [...more.seats].filter((id) => !than.seats.has(id));
  const general = [...more.tickets]
    .map(([tier_id, count]) => ({ tier_id, quantity: count - (than.tickets.get(tier_id) ?? 0) }))
    .filter((each) => each.quantity > 0);
  return seat_ids.length || general.length ? { ...(seat_ids.length && { seat_ids }), ...(general.length && { general }) } : null;
}

const keyed = () => ({ "Idempotency-Key": newKey() });

/** What is kept for who is logged in. @param {string} [event_id] of this event alone @param {AbortSignal} [signal] @returns {Promise<Hold[]>} */
export async function activeHolds(event_id, signal) {
  const page = await take(api.GET("/api/v1/holds", { params: { query: { event_id, limit: 100 } }, signal }));
  return page.items.filter((hold) => hold.status === "ACTIVE");
}

/** Asks for the next difference between a hold and a wish: what is to go first, which makes room. @param {string} event_id @param {Hold | null} hold @param {Wish} wish @returns {Promise<Hold | null>} */
async function step(event_id, hold, wish) {
  const has = wishOf(hold);
  const less = beyond(has, wish);
  const more = beyond(wish, has);
  if (!hold) return more && take(api.POST("/api/v1/holds", { params: { header: keyed() }, body: { event_id, ...more } }));
  const params = { path: { hold_id: hold.id }, header: keyed() };
  const left = less ? await take(api.POST("/api/v1/holds/{hold_id}/release", { params, body: less })) : hold;
  return left.status === "ACTIVE" ? left : null;
}

/** Adds what a hold lacks. @param {Hold} hold @param {Wish} wish */
async function grow(hold, wish) {
  const more = beyond(wish, wishOf(hold));
  if (!more) return hold;
  return take(api.POST("/api/v1/holds/{hold_id}/add", { params: { path: { hold_id: hold.id }, header: keyed() }, body: more }));
}

/**
 * @param {string} eventId
 * @param {(seatIds: string[]) => void} onTaken seats that somebody else has
 */
export function useSelection(eventId, onTaken) {
  const [hold, setHold] = useState(/** @type {Hold | null} */ (null));
  const [others, setOthers] = useState(/** @type {Hold[]} */ ([]));
  const [wish, setWish] = useState(wishOf(null));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [lost, setLost] = useState(/** @type {import("../../parts/hold_timer.js").HoldEnd | null} */ (null));
  const [busy, setBusy] = useState(false);
  const now = useRef({ hold, wish, running: false, gone: false });
  const signedIn = user.value?.id;

  const has = (/** @type {Hold | null} */ next) => {
    now.current.hold = next;
    if (!now.current.gone) setHold(next);
  };
  const wants = (/** @type {Wish} */ next) => {
    now.current.wish = next;
    if (!now.current.gone) setWish(next);
  };

  const load = async () => {
    if (!signedIn || now.current.running) return;
    try {
      const before = now.current.hold?.id;
      const active = await activeHolds(eventId);
      if (now.current.running) return;
      if (before && !active.some((hold) => hold.id === before)) setLost(await endOf(before));
      const [first = null, ...rest] = active;
      has(first);
      wants(wishOf(first));
      setOthers(rest);
    } catch (problem) {
      setError(problem);
    }
  };
  useEffect(() => {
    now.current.gone = false;
    void load();
    // Another tab may have changed it.
    const seen = () => document.visibilityState === "visible" && void load();
    document.addEventListener("visibilitychange", seen);
    return () => {
      now.current.gone = true;
      document.removeEventListener("visibilitychange", seen);
    };
  }, [eventId, signedIn]);

  /** What was refused is not wished for any more. @param {unknown} problem */
  const refused = (problem) => {
    const { current } = now;
    if (problem instanceof Problem && ENDED.includes(problem.reason) && current.hold) {
      void endOf(current.hold.id).then((how) => (how ? setLost(how) : setError(problem)));
      has(null);
      wants(wishOf(null));
      return;
    }
    setError(problem);
    const taken = problem instanceof Problem && problem.reason === "SEATS_UNAVAILABLE" ? (problem.body.seat_ids ?? []) : [];
    const seats = new Set([...current.wish.seats].filter((id) => !taken.includes(id)));
    if (seats.size < current.wish.seats.size) {
      onTaken(taken);
      wants({ seats, tickets: current.wish.tickets });
    } else wants(wishOf(current.hold));
  };

  /** Works until the hold is what is wished for. */
  const work = async () => {
    const { current } = now;
    if (current.running) return;
    current.running = true;
    setBusy(true);
    while (beyond(current.wish, wishOf(current.hold)) ?? beyond(wishOf(current.hold), current.wish)) {
      try {
        has(await step(eventId, current.hold, current.wish));
        if (current.hold) has(await grow(current.hold, current.wish));
      } catch (problem) {
        refused(problem);
      }
    }
    current.running = false;
    setBusy(false);
  };

  const change = (/** @type {Wish} */ next) => {
    setError(null);
    setLost(null);
    wants(next);
    return work();
  };

  /** The best seats instead of those one has; where there are none, one keeps one's own. @param {Best} best */
  const find = async (best) => {
    const { current } = now;
    if (current.running) return;
    current.running = true;
    setBusy(true);
    setError(null);
    setLost(null);
    const before = wishOf(current.hold);
    const general = [...before.tickets].map(([tier_id, quantity]) => ({ tier_id, quantity }));
    const { tier, section, quantity } = best;
    try {
      if (current.hold) {
        await api.DELETE("/api/v1/holds/{hold_id}", { params: { path: { hold_id: current.hold.id } } });
        has(null);
      }
      const best_available = { quantity, ...(tier && { tier_id: tier }), ...(section && { section_id: section }) };
      has(await take(api.POST("/api/v1/holds", { params: { header: keyed() }, body: { event_id: eventId, best_available, ...(general.length && { general }) } })));
      wants(wishOf(current.hold));
    } catch (problem) {
      if (current.hold) refused(problem);
      else {
        setError(problem);
        wants(before);
      }
    }
    current.running = false;
    setBusy(false);
    await work();
  };

  const letGo = () => change(wishOf(null));

  /** Lets another hold go, of another window or another event. @param {Hold} other */
  const drop = async (other) => {
    setError(null);
    try {
      await api.DELETE("/api/v1/holds/{hold_id}", { params: { path: { hold_id: other.id } } });
      setOthers(others.filter((each) => each !== other));
    } catch (problem) {
      setError(problem);
    }
  };

  /** @param {import("../../parts/hold_timer.js").HoldEnd} how */
  const ended = (how) => {
    has(null);
    wants(wishOf(null));
    setLost(how);
    void load();
  };

  return {
    hold,
    others,
    wish,
    error,
    lost,
    busy,
    find,
    letGo,
    drop,
    ended,
    extended: has,
    forget: () => setError(null),
    /** @param {string} id */
    toggle(id) {
      const seats = new Set(now.current.wish.seats);
      if (!seats.delete(id)) seats.add(id);
      return change({ seats, tickets: now.current.wish.tickets });
    },
    /** @param {string} tier @param {number} count */
    setTickets(tier, count) {
      const tickets = new Map(now.current.wish.tickets);
      if (count) tickets.set(tier, count);
      else tickets.delete(tier);
      return change({ seats: now.current.wish.seats, tickets });
    },
  };
}
