/** Tells everybody who has tickets something, by mail. */
import { useRef, useState } from "../../vendor/hooks.js";
import { api, intent, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { Button, Card, Dialog, Field, Note, Trouble, valuesOf } from "../../parts/ui.js";

/** @typedef {import("api").components["schemas"]["Message"]} Message */

/** @param {{event: import("./status.js").Event}} props */
export function Messages({ event }) {
  const once = useRef(intent()).current;
  const [words, setWords] = useState({ subject: "", text: "" });
  const [preview, setPreview] = useState(/** @type {Message | null} */ (null));
  const [sent, setSent] = useState("");
  const path = { event_id: event.id };
  const look = useAction(async (/** @type {Record<string, string>} */ values) => {
    const said = { subject: values.subject ?? "", text: values.text ?? "" };
    setSent("");
    setWords(said);
    setPreview(await take(api.POST("/api/v1/events/{event_id}/messages", { params: { path }, body: { ...said, preview: true } })));
  });
  const send = useAction(async () => {
    const message = await once.send(words, (header) => take(api.POST("/api/v1/events/{event_id}/messages", { params: { path, header }, body: { ...words, preview: false } })));
    setPreview(null);
    setSent(n(message.bookings, "It is sent to the buyer of {n} booking.", "It is sent to the buyers of {n} bookings."));
  });
  return html`<${Card} title=${t("Message everyone who has tickets")}>
    <form onSubmit=${(/** @type {Event} */ submitted) => look.run(valuesOf(submitted))}>
      ${sent && html`<${Note} kind="good">${sent}<//>`}
      <${Trouble} error=${look.error} />
      <${Field} label=${t("Subject")} name="subject" maxlength="150" error=${look.error} />
      <${Field} as="textarea" label=${t("Text")} name="text" maxlength="5000" error=${look.error} />
      <${Button} kind="primary" type="submit" busy=${look.busy}>${t("Preview")}<//>
    </form>
    <${Dialog} open=${preview !== null} wide=${true} title=${preview?.subject ?? ""} onClose=${() => setPreview(null)}>
      <pre class="message-preview">${preview?.text}</pre>
      <p>${n(preview?.bookings ?? 0, "It is sent to the buyer of {n} booking.", "It is sent to the buyers of {n} bookings.")}
        ${" "}${n(preview?.messages_left ?? 0, "You may send {n} more today.", "You may send {n} more today.")}</p>
      <${Trouble} error=${send.error} />
      <div class="actions end">
        <${Button} onClick=${() => setPreview(null)}>${t("No, go back")}<//>
        <${Button} kind="primary" busy=${send.busy} onClick=${() => send.run()}>${t("Send")}<//>
      </div>
    <//>
  <//>`;
}
