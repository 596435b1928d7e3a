/** Tickets: their codes, one by one on the whole screen, and as a PDF. */
import { useEffect, useRef, useState } from "../../vendor/hooks.js";
import { save } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { Code, placeName } from "../../parts/booking.js";
import { Badge, Button, Card, Trouble, When } from "../../parts/ui.js";

/** @typedef {import("../../parts/booking.js").Booking} Booking */
/** @typedef {import("../../parts/booking.js").Ticket} Ticket */

/** @param {{booking: Booking}} props */
export function Tickets({ booking }) {
  const [shown, setShown] = useState(-1);
  const pdf = useAction(() => save(`/api/v1/bookings/${booking.reference}/tickets.pdf`, `${booking.reference}.pdf`));
  const tickets = booking.tickets ?? [];
  return html`<${Card} title=${t("Your tickets")} actions=${html`<${Button} busy=${pdf.busy} onClick=${() => pdf.run()}>${t("Save as PDF")}<//>`}>
    <${Trouble} error=${pdf.error} retry=${() => pdf.run()} />
    <ul class="tickets" role="list">
      ${tickets.map((ticket, at) => html`<li key=${ticket.id} class="ticket">
        <${Code} ticket=${ticket} />
        <div>
          <p><b>${placeName(ticket)}</b></p>
          ${ticket.attendee_name && html`<p>${ticket.attendee_name}</p>`}
          <p class="muted">${ticket.tier} · ${format.money(ticket.price)}</p>
          <${TicketState} ticket=${ticket} zone=${booking.event.timezone} />
          ${ticket.status === "VALID" && html`<p><${Button} onClick=${() => setShown(at)}>${t("Show at the door")}<//></p>`}
        </div>
      </li>`)}
    </ul>
    ${shown >= 0 && html`<${FullScreen} tickets=${tickets} at=${shown} title=${booking.event.title} onMove=${setShown} onClose=${() => setShown(-1)} />`}
  <//>`;
}

/** @param {{ticket: Ticket, zone: string}} props */
function TicketState({ ticket, zone }) {
  if (ticket.status === "VALID") return null;
  if (ticket.status === "REVOKED") return html`<p><${Badge} kind="bad">${t("Void")}<//></p>`;
  return html`<p><${Badge} kind="info">${t("Admitted")}<//> ${ticket.admitted_at && html`<${When} at=${ticket.admitted_at} zone=${zone} />`}</p>`;
}

/**
 * One ticket on the whole screen, bright, with arrows to the others. The screen stays on.
 *
 * @param {{tickets: Ticket[], at: number, title: string, onMove: (at: number) => void, onClose: () => void}} props
 */
function FullScreen({ tickets, at, title, onMove, onClose }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const begun = useRef(0);
  useEffect(() => {
    dialog.current?.showModal();
    /** @type {WakeLockSentinel | undefined} */
    let lock;
    // Not every browser has it, and none grants it on a low battery.
    navigator.wakeLock?.request("screen").then((granted) => (lock = granted), () => {});
    return () => void lock?.release();
  }, []);
  const ticket = tickets[at];
  if (!ticket) return null;
  const move = (/** @type {number} */ step) => onMove((at + step + tickets.length) % tickets.length);
  return html`<dialog
    ref=${dialog}
    class="at-door"
    aria-label=${t("Ticket {at} of {all}", { at: format.number(at + 1), all: format.number(tickets.length) })}
    onClose=${onClose}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.key === "ArrowRight") move(1);
      if (event.key === "ArrowLeft") move(-1);
    }}
    onTouchStart=${(/** @type {TouchEvent} */ event) => (begun.current = event.changedTouches[0]?.clientX ?? 0)}
    onTouchEnd=${(/** @type {TouchEvent} */ event) => {
      const moved = (event.changedTouches[0]?.clientX ?? 0) - begun.current;
      if (Math.abs(moved) > 60) move(moved < 0 ? 1 : -1);
    }}
  >
    <p class="at-door-hint">☀ ${t("Turn up the brightness of your screen.")}</p>
    <h2>${title}</h2>
    <${Code} ticket=${ticket} key=${ticket.id} />
    <p aria-live="polite"><b>${placeName(ticket)}</b><br />${ticket.attendee_name}</p>
    <div class="actions">
      ${tickets.length > 1 && html`<${Button} onClick=${() => move(-1)} aria-label=${t("Previous ticket")}>←<//>`}
      <span>${format.number(at + 1)} / ${format.number(tickets.length)}</span>
      ${tickets.length > 1 && html`<${Button} onClick=${() => move(1)} aria-label=${t("Next ticket")}>→<//>`}
      <${Button} kind="primary" onClick=${() => dialog.current?.close()}>${t("Close")}<//>
    </div>
  </dialog>`;
}
