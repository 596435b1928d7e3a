/** What else is kept for somebody: places of this event from another window, and of other events. */
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { useLoad } from "../../core/load.js";
import { countOf } from "../../parts/booking.js";
import { Button, LinkButton, Loaded, Note } from "../../parts/ui.js";
import { activeHolds } from "./selection.js";

/** @typedef {import("./selection.js").Hold} Hold */
/** @typedef {{hold: Hold, event: import("../../parts/event.js").Event}} Kept */

/** A hold that is in the way, or forgotten: to be paid, or let go. @param {{hold: Hold, onDrop: (hold: Hold) => void, children: any}} props */
function Other({ hold, onDrop, children }) {
  return html`<p>${children}</p>
    <p class="actions">
      <${LinkButton} href=${`/checkout/${hold.id}`}>${t("Pay for them")}<//>
      <${Button} kind="quiet" onClick=${() => onDrop(hold)}>${t("Release them")}<//>
    </p>`;
}

/** @param {{holds: Hold[], onDrop: (hold: Hold) => void}} props */
export function OfThisEvent({ holds, onDrop }) {
  return holds.map((hold) => {
    const count = hold.lines.reduce((sum, line) => sum + line.quantity, 0);
    return html`<${Note} key=${hold.id} live=${false}>
      <${Other} hold=${hold} onDrop=${onDrop}>
        ${n(count, "You hold {n} other ticket for this event, perhaps in another window.", "You hold {n} other tickets for this event, perhaps in another window.")}
      <//>
    <//>`;
  });
}

/** @param {string} eventId @param {AbortSignal} signal @returns {Promise<Kept[]>} */
async function elsewhere(eventId, signal) {
  const holds = (await activeHolds(undefined, signal)).filter((hold) => hold.event_id !== eventId);
  return Promise.all(
    holds.map(async (hold) => ({ hold, event: await take(api.GET("/api/v1/events/{event_id}", { params: { path: { event_id: hold.event_id } }, signal })) })),
  );
}

/** What has to go before more can be kept. @param {{eventId: string, onDrop: (hold: Hold) => void}} props */
export function OfOtherEvents({ eventId, onDrop }) {
  const kept = useLoad((signal) => elsewhere(eventId, signal), [eventId]);
  return html`<${Loaded} of=${kept}>
    ${(/** @type {Kept[]} */ all) => all.map(({ hold, event }) => html`<${Other} key=${hold.id} hold=${hold} onDrop=${onDrop}>
      <b>${event.title}</b><br />${countOf(hold.lines)} · ${t("held until {time}", { time: format.clock(hold.expires_at) })}
    <//>`)}
  <//>`;
}
