/** Notices, newest first, as they come. */
import { api, newKey, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction, usePages } from "../../core/load.js";
import { notices as live } from "../../parts/notices.js";
import { Badge, Button, Heading, Pages, Trouble, When } from "../../parts/ui.js";

/** @typedef {import("api").components["schemas"]["Notice"]} Notice */

/** Where a notice leads. @param {Notice} notice */
const leadsTo = (notice) =>
  notice.booking_reference ? `/bookings/${notice.booking_reference}` : notice.event_id ? `/events/${notice.event_id}` : null;

export default function Notifications() {
  const notices = usePages((cursor, signal) => take(api.GET("/api/v1/notifications", { params: { query: { cursor, limit: 30 } }, signal })), [live.changed.value]);
  const header = () => ({ "Idempotency-Key": newKey() });
  const read = useAction(async (/** @type {Notice} */ notice) => {
    await take(api.POST("/api/v1/notifications/{notice_id}/read", { params: { path: { notice_id: notice.id }, header: header() } }));
    await notices.reload();
  });
  const readAll = useAction(async () => {
    await take(api.POST("/api/v1/notifications/read-all", { params: { header: header() } }));
    await notices.reload();
  });
  return html`
    <${Heading} title=${t("Notifications")} actions=${html`<${Button} busy=${readAll.busy} onClick=${() => readAll.run()}>${t("Mark all as read")}<//>`} />
    <${Trouble} error=${read.error ?? readAll.error} />
    <${Pages} of=${notices} empty=${t("No notifications yet.")}>
      ${(/** @type {Notice} */ notice) => {
        const to = leadsTo(notice);
        return html`<li key=${notice.id} class=${notice.read_at ? "" : "unread"}>
          <p><b>${to ? html`<a href=${to} onClick=${() => notice.read_at || read.run(notice)}>${notice.title}</a>` : notice.title}</b> ${!notice.read_at && html`<${Badge}>${t("New")}<//>`}</p>
          <p class="lines">${notice.text}</p>
          <p class="muted small"><${When} at=${notice.created_at} />${!notice.read_at && html` · <button type="button" class="link" onClick=${() => read.run(notice)}>${t("Mark as read")}</button>`}</p>
        </li>`;
      }}
    <//>
  `;
}
