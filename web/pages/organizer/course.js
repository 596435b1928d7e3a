/** Puts an event on sale, and calls it off. */
import { useRef, useState } from "../../vendor/hooks.js";
import { api, intent, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { navigate } from "../../core/router.js";
import { Button, Card, Confirm, Field, Note, Spinner, Trouble } from "../../parts/ui.js";
import { missingOf } from "./status.js";

/** @typedef {(told: string) => Promise<void>} Changed */

/** @param {{event: import("./status.js").Event, changed: Changed}} props */
export function Publish({ event, changed }) {
  const once = useRef(intent()).current;
  const publish = useAction(async () => {
    await once.send(event.updated_at, (header) => take(api.POST("/api/v1/events/{event_id}/publish", { params: { path: { event_id: event.id }, header } })));
    await changed(t("It is being published: its seats are being prepared, then it goes on sale."));
  });
  if (event.status === "PUBLISHING") return html`<${Card} title=${t("Publish")}><${Spinner} label=${t("Its seats are being prepared …")} /><//>`;
  const missing = missingOf(event, Date.now());
  return html`<${Card} title=${t("Publish")}>
    ${missing.length
      ? html`<${Note} kind="warn" live=${false}><p>${t("Before it can go on sale:")}</p><ul>${missing.map((one) => html`<li>${one}</li>`)}</ul><//>`
      : html`<p>${t("Nothing is missing. Once it is published, everybody sees it and it can be bought.")}</p>`}
    <${Trouble} error=${publish.error} />
    <${Button} kind="primary" busy=${publish.busy} disabled=${missing.length > 0} onClick=${() => publish.run()}>${t("Publish")}<//>
  <//>`;
}

/** @param {{of: import("./event.js").Versioned, changed: Changed}} props */
export function CallOff({ of, changed }) {
  const { event } = of;
  const isDraft = event.status === "DRAFT";
  const once = useRef(intent()).current;
  const [reason, setReason] = useState("");
  const [asking, setAsking] = useState(false);
  const end = useAction(async () => {
    const path = { event_id: event.id };
    if (isDraft) {
      await take(api.DELETE("/api/v1/events/{event_id}", { params: { path, header: { "If-Match": of.etag } } }));
      await navigate("/organizer");
      return;
    }
    await once.send(reason, (header) => take(api.POST("/api/v1/events/{event_id}/cancel", { params: { path, header }, body: { reason } })));
    setAsking(false);
    await changed(t("It is cancelled. Everyone with tickets is notified and gets a full refund."));
  });
  const ask = (/** @type {Event} */ submitted) => {
    submitted.preventDefault();
    setAsking(true);
  };
  return html`<${Card} title=${isDraft ? t("Delete the draft") : t("Cancel the event")}>
    <form onSubmit=${ask}>
      ${isDraft
        ? html`<p>${t("Nobody but you has seen it. This can't be undone.")}</p>`
        : html`
          <p>${t("Its sale ends at once. Every booking is cancelled and refunded, and everybody is notified by e-mail with your reason. This can't be undone.")}</p>
          <${Field} as="textarea" label=${t("Reason, for everybody who has a ticket")} name="reason" maxlength="500" value=${reason} onInput=${(/** @type {any} */ input) => setReason(input.currentTarget.value)} error=${end.error} />`}
      <${Button} kind="danger" type="submit">${isDraft ? t("Delete") : t("Cancel event")}<//>
    </form>
    <${Confirm} open=${asking} danger=${true} title=${isDraft ? t("Delete the draft?") : t("Cancel the event?")} yes=${isDraft ? t("Yes, delete") : t("Yes, cancel the event")} busy=${end.busy} error=${end.error} onYes=${() => end.run()} onNo=${() => setAsking(false)}>
      <p><b>${event.title}</b></p>
    <//>
  <//>`;
}
