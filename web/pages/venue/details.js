/** What a venue is called, and where it is. */
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { Suggestions } from "../../parts/suggestions.js";
import { Button, Card, Field, Note, Trouble, valuesOf } from "../../parts/ui.js";

/** @typedef {import("api").components["schemas"]["Venue"]} Venue */
/** @typedef {{name: string, address: string, city: string, country: string, timezone: string, amenities: string[]}} Details */

/** @param {{venue?: Venue, yes: string, saved?: boolean, title: string, action: {busy: boolean, error: unknown, run: (details: Details) => unknown}}} props */
export function DetailsForm({ venue, yes, saved = false, title, action }) {
  const submit = (/** @type {SubmitEvent} */ submitted) => {
    const { name = "", address = "", city = "", country = "", timezone = "", amenities = "" } = valuesOf(submitted);
    return action.run({ name, address, city, country: country.toUpperCase(), timezone, amenities: amenities.split(",").map((one) => one.trim()).filter(Boolean) });
  };
  const error = action.error;
  return html`<${Card} title=${title}>
    <form onSubmit=${submit}>
      ${saved && html`<${Note} kind="good">${t("Saved.")}<//>`}
      <${Field} label=${t("Name of the venue")} name="name" maxlength="200" defaultValue=${venue?.name ?? ""} error=${error} />
      <div class="row">
        <${Field} label=${t("Street and number")} name="address" maxlength="300" defaultValue=${venue?.address ?? ""} error=${error} />
        <${Field} label=${t("City")} name="city" maxlength="100" defaultValue=${venue?.city ?? ""} error=${error} />
      </div>
      <div class="row">
        <${Field} label=${t("Country, two letters")} name="country" minlength="2" maxlength="2" defaultValue=${venue?.country ?? "NP"} error=${error} />
        <${Field} label=${t("Time zone")} name="timezone" list="time-zones" defaultValue=${venue?.timezone ?? "Asia/Kathmandu"} error=${error} />
        <${Suggestions} id="time-zones" of="timeZone" />
      </div>
      <${Field} label=${t("Facilities")} name="amenities" optional=${true} hint=${t("Separated by commas: parking, bar")} defaultValue=${venue?.amenities.join(", ") ?? ""} error=${error} />
      <${Trouble} error=${error} />
      <${Button} kind="primary" type="submit" busy=${action.busy}>${yes}<//>
    </form>
  <//>`;
}
