/** A new event: a draft, which nobody else sees until it is published. */
import { useRef } from "../../vendor/hooks.js";
import { api, intent, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { navigate } from "../../core/router.js";
import { Heading } from "../../parts/ui.js";
import { EventForm } from "./form.js";

export default function NewEvent() {
  const once = useRef(intent()).current;
  const make = useAction(async (/** @type {import("./form.js").NewEvent} */ body) => {
    const event = await once.send(body, (header) => take(api.POST("/api/v1/events", { params: { header }, body })));
    await navigate(`/organizer/events/${event.id}`, { sure: true });
  });
  return html`
    <${Heading} title=${t("New event")} />
    <p class="narrow">${t("This creates a draft. Nobody else sees it until you publish it.")}</p>
    <${EventForm} action=${make} yes=${t("Create draft")} />
  `;
}
