/** The doors: one's own events that are near. */
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { usePages } from "../../core/load.js";
import { placeOf } from "../../parts/event.js";
import { Heading, LinkButton, Pages } from "../../parts/ui.js";

const HOUR = 3600 * 1000;

export default function Doors() {
  const events = usePages((cursor, signal) => take(api.GET("/api/v1/organizer/events", { params: { query: { cursor, limit: 100, status: "PUBLISHED" } }, signal })), []);
  const near = events.items.filter((event) => new Date(event.ends_at).getTime() > Date.now() - 12 * HOUR).sort((a, b) => a.starts_at.localeCompare(b.starts_at));
  return html`
    <${Heading} title=${t("Door")} />
    <p>${t("Open the event once on the device at the door while it is online. After that it works offline, too.")}</p>
    <${Pages} of=${{ ...events, items: near }} empty=${t("You have no upcoming events.")}>
      ${(/** @type {import("../../parts/event.js").Event} */ event) => html`<li key=${event.id} class="item">
        <div><b>${event.title}</b><p class="muted">${format.span(event.starts_at, event.ends_at, event.timezone)} · ${placeOf(event)}</p></div>
        <${LinkButton} kind="primary" href=${`/door/${event.id}`}>${t("Scan tickets")}<span class="visually-hidden">: ${event.title}</span><//>
      </li>`}
    <//>
  `;
}
