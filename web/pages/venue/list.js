/** The venues: one's own, and those of others, where one may sell, too. */
import { useRef } from "../../vendor/hooks.js";
import { api, intent, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction, usePages } from "../../core/load.js";
import { navigate } from "../../core/router.js";
import { user } from "../../core/session.js";
import { Badge, Heading, Pages } from "../../parts/ui.js";
import { DetailsForm } from "./details.js";

/** @typedef {import("api").components["schemas"]["Venue"]} Venue */

export default function Venues() {
  const venues = usePages((cursor, signal) => take(api.GET("/api/v1/venues", { params: { query: { cursor, limit: 50 } }, signal })), []);
  const once = useRef(intent()).current;
  const make = useAction(async (/** @type {import("./details.js").Details} */ body) => {
    const venue = await once.send(body, (header) => take(api.POST("/api/v1/venues", { params: { header }, body })));
    await navigate(`/organizer/venues/${venue.id}`);
  });
  return html`
    <${Heading} title=${t("Venues")} />
    <${Pages} of=${venues} empty=${t("No venues yet.")}>
      ${(/** @type {Venue} */ venue) => html`<li key=${venue.id}>
        <a href=${`/organizer/venues/${venue.id}`}><b>${venue.name}</b></a> ${venue.owner_id === user.value?.id && html`<${Badge} kind="good">${t("Yours")}<//>`}
        <p class="muted">${venue.address}, ${venue.city} · ${t("capacity {count}", { count: format.number(venue.capacity) })}</p>
      </li>`}
    <//>
    <${DetailsForm} title=${t("New venue")} yes=${t("Create venue")} action=${make} />
  `;
}
