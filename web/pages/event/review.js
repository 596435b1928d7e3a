/** The form of a review. */
import { api, newKey, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { Button, Field, Trouble, valuesOf } from "../../parts/ui.js";

/** @param {{event: import("../../parts/event.js").Event, onWritten: () => unknown}} props */
export function Form({ event, onWritten }) {
  const write = useAction(async (/** @type {Record<string, string>} */ values) => {
    await take(
      api.POST("/api/v1/events/{event_id}/reviews", {
        params: { path: { event_id: event.id }, header: { "Idempotency-Key": newKey() } },
        body: { rating: Number(values.rating), ...(values.text?.trim() && { text: values.text }) },
      }),
    );
    await onWritten();
  });
  return html`<form onSubmit=${(/** @type {globalThis.Event} */ submitted) => write.run(valuesOf(submitted))}>
    <${Field} label=${t("Stars")} name="rating" as="select" error=${write.error}>
      ${[5, 4, 3, 2, 1].map((stars) => html`<option value=${stars}>${n(stars, "{n} star", "{n} stars")}</option>`)}
    <//>
    <${Field} label=${t("Your review")} name="text" as="textarea" maxlength="2000" optional=${true} error=${write.error} />
    <${Trouble} error=${write.error} />
    <${Button} kind="primary" type="submit" busy=${write.busy}>${t("Publish")}<//>
  </form>`;
}
