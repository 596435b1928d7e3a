/** Changes an event; where somebody else did meanwhile, both changes are shown. */
import { useState } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { Problem } from "../../core/problems.js";
import { Note } from "../../parts/ui.js";
import { changesOf } from "./changes.js";
import { Conflict } from "./conflict.js";
import { EventForm } from "./form.js";

/** @typedef {import("./event.js").Versioned} Versioned */
/** @typedef {import("api").components["schemas"]["EventChange"]} EventChange */

/** @param {{of: Versioned, reload: () => Promise<void>, changed: (told: string) => Promise<void>}} props */
export function Edit({ of, reload, changed }) {
  const path = { event_id: of.event.id };
  const [theirs, setTheirs] = useState(/** @type {{now: Versioned, said: EventChange} | null} */ (null));
  /** Sends changes to a version; where there is a newer one, it is shown. */
  const send = async (/** @type {EventChange} */ changes, /** @type {string} */ etag, /** @type {EventChange} */ said) => {
    try {
      if (Object.keys(changes).length) await take(api.PATCH("/api/v1/events/{event_id}", { params: { path, header: { "If-Match": etag } }, body: changes }));
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 412) throw error;
      const { data, response } = await api.GET("/api/v1/events/{event_id}", { params: { path }, cache: "no-store" });
      setTheirs({ now: /** @type {Versioned} */ ({ event: data, etag: response.headers.get("etag") ?? "" }), said });
      return;
    }
    await changed(t("Saved."));
    setTheirs(null);
  };
  const save = useAction((/** @type {EventChange} */ body) => send(changesOf(of.event, body), of.etag, body));
  const merge = useAction((/** @type {EventChange} */ changes) => (theirs ? send(changes, theirs.now.etag, theirs.said) : Promise.resolve()));
  if (of.event.status !== "DRAFT" && of.event.status !== "PUBLISHED") return html`<${Note}>${t("This event can't be changed any more.")}<//>`;
  if (theirs) {
    return html`<${Conflict} key=${theirs.now.etag} base=${of.event} said=${theirs.said} theirs=${theirs.now.event} busy=${merge.busy} error=${merge.error} onSave=${merge.run} onDrop=${async () => {
      await reload();
      setTheirs(null);
    }} />`;
  }
  return html`
    ${of.event.status === "PUBLISHED" && html`<${Note}>${t("It is on sale. If you change the time or place, everyone with tickets is notified and may cancel for a full refund for a while. Sold tickets keep their price.")}<//>`}
    <${EventForm} event=${of.event} action=${save} yes=${t("Save")} />
  `;
}
