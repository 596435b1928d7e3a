/** Admitting: by the gateway where it answers, else by the ticket's own signature. */
import { api, take } from "../../core/api.js";
import { Problem } from "../../core/problems.js";
import { admissionsOf, keep, kept, note } from "./store.js";
import { verify } from "./ticket.js";

// Somebody stands at the door: after so long the ticket's signature decides.
const PATIENCE_MILLISECONDS = 3000;

/**
 * @typedef {object} Verdict
 * @property {boolean} good
 * @property {"ADMITTED" | "ADMITTED_OFFLINE" | "ALREADY_ADMITTED" | "REVOKED" | "WRONG_EVENT" | "INVALID" | "REFUSED" | "UNKNOWN"} result
 *   REFUSED: the gateway does not let this account check; UNKNOWN: without the gateway this browser can't tell
 * @property {import("api").components["schemas"]["AdmittedTicket"] | null} ticket
 * @property {string} [at] when it was admitted before
 * @property {string} [gate] where
 * @property {unknown} [problem] why the gateway refused
 * @property {string} [seat] the seat's id, where the gateway was not asked
 */

/** Has the keys on this device. @returns {Promise<import("./ticket.js").Key[]>} */
export async function loadKeys() {
  try {
    const { keys } = await take(api.GET("/api/v1/tickets/keys.json"));
    await keep("keys", keys);
    return keys;
  } catch {
    return (await kept("keys")) ?? [];
  }
}

/** Whether the gateway did not decide: it did not answer, or not now, or does not know who asks. @param {unknown} error */
const isUndecided = (error) =>
  !(error instanceof Problem) || error.status === 0 || error.status >= 500 || error.status === 429 || error.status === 401;

/** Whether the gateway can't read the code. @param {unknown} error */
const isNoTicket = (error) => error instanceof Problem && (error.status === 400 || error.status === 422);

/**
 * @param {import("./store.js").Admission} admission
 * @param {AbortSignal} [signal]
 */
const send = ({ id, eventId, token, gate }, signal) =>
  take(
    api.POST("/api/v1/events/{event_id}/check-ins", {
      params: { path: { event_id: eventId }, header: { "Idempotency-Key": id } },
      body: { token, ...(gate && { gate }) },
      ...(signal && { signal }),
    }),
  );

/**
 * Lets one ticket in, or says why not.
 *
 * @param {string} token
 * @param {{eventId: string, gate: string, keys: import("./ticket.js").Key[], online: boolean}} door
 * @returns {Promise<Verdict>}
 */
export async function admit(token, { eventId, gate, keys, online }) {
  /** @type {import("./store.js").Admission} */
  const admission = { id: crypto.randomUUID(), eventId, ticketId: "", token, gate, at: Date.now(), state: "SENT" };
  if (online && navigator.onLine) {
    try {
      const told = await send(admission, AbortSignal.timeout(PATIENCE_MILLISECONDS));
      const good = told.result === "ADMITTED";
      if (good) await note({ ...admission, ticketId: told.ticket?.id ?? "" });
      return { good, result: told.result, ticket: told.ticket ?? null, at: told.admitted_at ?? undefined, gate: told.gate ?? undefined };
    } catch (error) {
      if (!isUndecided(error)) return { good: false, result: isNoTicket(error) ? "INVALID" : "REFUSED", ticket: null, problem: error };
    }
  }
  return admitOffline(admission, keys);
}

/** @param {import("./store.js").Admission} admission @param {import("./ticket.js").Key[]} keys @returns {Promise<Verdict>} */
async function admitOffline(admission, keys) {
  let claims;
  try {
    claims = await verify(admission.token, keys);
  } catch {
    return { good: false, result: "UNKNOWN", ticket: null };
  }
  if (!keys.length) return { good: false, result: "UNKNOWN", ticket: null };
  if (!claims) return { good: false, result: "INVALID", ticket: null };
  if (claims.eventId !== admission.eventId) return { good: false, result: "WRONG_EVENT", ticket: null };
  const { ticketId } = claims;
  const before = (await admissionsOf(admission.eventId)).find((one) => one.ticketId === ticketId);
  if (before) {
    return { good: false, result: "ALREADY_ADMITTED", ticket: null, at: new Date(before.at).toISOString(), gate: before.gate };
  }
  await note({ ...admission, ticketId, state: "QUEUED" });
  return { good: true, result: "ADMITTED_OFFLINE", ticket: null, seat: claims.seat };
}

/**
 * Tells the gateway of whom it does not know yet. What it refuses is kept, to be named.
 *
 * @param {string} eventId
 * @returns {Promise<void>}
 */
export async function reconcile(eventId) {
  for (const admission of await admissionsOf(eventId)) {
    if (admission.state !== "QUEUED") continue;
    try {
      const told = await send(admission);
      if (told.result === "ADMITTED") await note({ ...admission, state: "SENT" });
      else {
        const state = told.result === "ALREADY_ADMITTED" ? "DUPLICATE" : "REFUSED";
        const detail = [told.result, told.admitted_at, told.gate].filter(Boolean).join(" ");
        await note({ ...admission, state, detail });
      }
    } catch (error) {
      if (isUndecided(error)) return; // later
      await note({ ...admission, state: "REFUSED", detail: /** @type {Problem} */ (error).reason });
    }
  }
}
