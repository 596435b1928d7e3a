/** An event's pictures. */
import { useRef, useState } from "../../vendor/hooks.js";
import { api, intent, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { useFile } from "../../parts/file.js";
import { Button, Card, Confirm, Empty, Field, Spinner, Trouble, formOf } from "../../parts/ui.js";

/** @typedef {import("api").components["schemas"]["Image"]} Image */

/** @param {{event: import("./status.js").Event, reload: () => Promise<void>}} props */
export function Images({ event, reload }) {
  const [leaving, setLeaving] = useState(/** @type {Image | null} */ (null));
  const once = useRef(intent()).current;
  const add = useAction(async (/** @type {HTMLFormElement} */ form) => {
    const values = new FormData(form);
    const file = values.get("file");
    const picture = file instanceof File ? [file.name, file.size, file.lastModified, values.get("role")] : null;
    await once.send(picture, (header) => take(api.POST("/api/v1/events/{event_id}/images", {
      params: { path: { event_id: event.id }, header },
      body: /** @type {any} */ (null),
      bodySerializer: () => values,
    })));
    form.reset();
    await reload();
  });
  const remove = useAction(async () => {
    if (leaving) await take(api.DELETE("/api/v1/events/{event_id}/images/{image_id}", { params: { path: { event_id: event.id, image_id: leaving.id } } }));
    setLeaving(null);
    await reload();
  });
  const roleOf = (/** @type {Image} */ image) => (image.role === "BANNER" ? t("Banner") : t("Gallery"));
  return html`
    ${event.images.length === 0 && html`<${Empty}>${t("No pictures yet.")}<//>`}
    <ul class="gallery" role="list">${event.images.map((image, number) => html`<li key=${image.id} class="card">
      <div class="picture"><${Own} image=${image} alt=${t("Picture {number}", { number: number + 1 })} /></div>
      <div class="card-head"><p>${roleOf(image)}</p>
      <${Button} kind="quiet" onClick=${() => setLeaving(image)}>${t("Remove")}<span class="visually-hidden"> ${t("Picture {number}", { number: number + 1 })}</span><//></div>
    </li>`)}</ul>
    <${Card} title=${t("Add a picture")}>
      <form onSubmit=${(/** @type {SubmitEvent} */ submitted) => add.run(formOf(submitted))}>
        <${Trouble} error=${add.error} />
        <${Field} type="file" label=${t("File")} name="file" accept="image/jpeg,image/png,image/webp" hint=${t("JPEG, PNG or WebP. It is resized, and location data is removed.")} error=${add.error} />
        <${Field} as="select" label=${t("Used as")} name="role" error=${add.error}>
          <option value="BANNER">${t("Banner")}</option>
          <option value="GALLERY">${t("Gallery")}</option>
        <//>
        <${Button} kind="primary" type="submit" busy=${add.busy}>${t("Add")}<//>
      </form>
    <//>
    <${Confirm} open=${leaving !== null} danger=${true} title=${t("Remove the picture?")} yes=${t("Yes, remove")} busy=${remove.busy} error=${remove.error} onYes=${() => remove.run()} onNo=${() => setLeaving(null)} />
  `;
}

/** A picture of one's own event, which nobody else sees before it is published. @param {{image: Image, alt: string}} props */
function Own({ image, alt }) {
  const { address, failed } = useFile(`${image.url}?w=${image.widths[0]}`);
  if (failed) return html`<p class="muted small">${t("The picture can't be loaded now.")}</p>`;
  return address ? html`<img src=${address} alt=${alt} />` : html`<${Spinner} />`;
}
