/** What several pages say of a booking and its tickets. */
import { html } from "../core/html.js";
import { n, t } from "../core/i18n.js";
import { useFile } from "./file.js";
import { Badge, Spinner } from "./ui.js";

/** @typedef {import("api").components["schemas"]["Booking"]} Booking */
/** @typedef {import("api").components["schemas"]["BookingTicket"]} Ticket */
/** @typedef {import("api").components["schemas"]["Line"]} Line */

const STATUSES = /** @type {Record<Booking["status"], [import("./ui.js").BadgeKind, () => string]>} */ ({
  PENDING: ["warn", () => t("Awaiting payment")],
  CONFIRMED: ["good", () => t("Confirmed")],
  FAILED: ["bad", () => t("Not booked")],
  EXPIRED: ["bad", () => t("Expired")],
  CANCELLING: ["warn", () => t("Being cancelled")],
  CANCELLED: ["info", () => t("Cancelled")],
});

/** Whether the provider has a payment of it in hand, so that nobody has to do anything. @param {Pick<Booking, "status" | "payment">} booking */
export const isBeingPaid = ({ status, payment }) => status === "PENDING" && (!payment || ["INITIATED", "AUTHORIZED", "CAPTURED"].includes(payment.status));

/** @param {{of: Pick<Booking, "status" | "payment">}} props */
export function BookingBadge({ of }) {
  const [kind, words] = STATUSES[of.status];
  return html`<${Badge} kind=${kind}>${isBeingPaid(of) ? t("Payment in progress") : words()}<//>`;
}

/** A place in words. @param {Pick<Line, "section" | "row" | "number" | "tier">} of */
export function placeName(of) {
  if (!of.number) return of.section && of.section !== of.tier ? `${of.section}, ${of.tier}` : of.tier;
  return t("{section}, row {row}, seat {number}", { section: of.section, row: of.row ?? "", number: of.number });
}

/** How many places lines are. @param {{quantity: number}[]} lines */
export function countOf(lines) {
  return n(lines.reduce((sum, line) => sum + line.quantity, 0), "{n} ticket", "{n} tickets");
}

/**
 * A ticket's code. It is drawn on white in both themes, since scanners need it so.
 *
 * @param {{ticket: Ticket}} props
 */
export function Code({ ticket }) {
  const { address, failed } = useFile(ticket.qr_url?.replace(/\.png$/, ".svg"));
  if (failed) return html`<p class="code-missing">${t("The code can't be loaded now. It is in the PDF and in your e-mail, too.")}</p>`;
  if (!address) return html`<${Spinner} />`;
  return html`<img class="code" src=${address} width="240" height="240" alt=${t("Code of the ticket for {place}", { place: placeName(ticket) })} />`;
}
