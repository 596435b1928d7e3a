/** Finding a guest by name, mail or reference, where the code can't be read. */
import { useState } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useLoad } from "../../core/load.js";
import { BookingBadge, placeName } from "../../parts/booking.js";
import { Badge, Button, Card, Empty, Field, Loaded, valuesOf } from "../../parts/ui.js";

/** @param {{eventId: string}} props */
export function Guests({ eventId }) {
  const [words, setWords] = useState("");
  const found = useLoad(
    async (signal) => {
      if (!words) return [];
      const query = { q: words, limit: 20, expand: /** @type {any} */ ("tickets") };
      return (await take(api.GET("/api/v1/organizer/events/{event_id}/bookings", { params: { path: { event_id: eventId }, query }, signal }))).items;
    },
    [words, eventId],
  );
  return html`<${Card} title=${t("Find a guest")}>
    <form class="code-form" role="search" onSubmit=${(/** @type {Event} */ event) => setWords(valuesOf(event).q?.trim() ?? "")}>
      <${Field} label=${t("Name, e-mail or reference")} name="q" type="search" />
      <${Button} type="submit">${t("Find")}<//>
    </form>
    ${words && html`<${Loaded} of=${found}>
      ${(/** @type {import("api").components["schemas"]["SoldBooking"][]} */ all) =>
        all.length
          ? html`<ul class="list" role="list">${all.map((booking) => html`<li key=${booking.reference}>
              <p><b>${booking.buyer?.name}</b> <span class="mono">${booking.reference}</span> <${BookingBadge} of=${booking} /></p>
              <ul>${(booking.tickets ?? []).map((ticket) => html`<li>${placeName(ticket)} ${ticket.attendee_name} ${ticket.status !== "VALID" && html`<${Badge} kind=${ticket.status === "REVOKED" ? "bad" : "info"}>${ticket.status === "REVOKED" ? t("Void") : t("Admitted")}<//>`}</li>`)}</ul>
            </li>`)}</ul>`
          : html`<${Empty}>${t("No guest found.")}<//>`}
    <//>`}
  <//>`;
}
