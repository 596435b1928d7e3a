/** API keys: for programs that act for the organizer. */
import { useRef, useState } from "../../vendor/hooks.js";
import { api, intent, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction, usePages } from "../../core/load.js";
import { Badge, Button, Card, Checkbox, Confirm, Field, Heading, Note, Pages, Trouble, When, formOf } from "../../parts/ui.js";
import { Secret } from "./secret.js";

/** @typedef {import("api").components["schemas"]["ApiKey"]} Key */
/** @typedef {import("api").components["schemas"]["ApiKeyScope"]} Scope */

const SCOPES = /** @type {Record<Scope, () => string>} */ ({
  "events:read": () => t("Read events, drafts too"),
  "events:write": () => t("Create and change events and venues"),
  "bookings:read": () => t("Read bookings, with names and addresses"),
  "bookings:write": () => t("Cancel and refund bookings"),
  "coupons:read": () => t("Read coupons"),
  "coupons:write": () => t("Create and change coupons"),
  "check-ins:write": () => t("Admit people"),
  "sales:read": () => t("Read sales figures"),
  "webhooks:write": () => t("Manage webhooks"),
});

export default function Keys() {
  const keys = usePages((cursor, signal) => take(api.GET("/api/v1/api-keys", { params: { query: { cursor, limit: 50 } }, signal })), []);
  const events = usePages((cursor, signal) => take(api.GET("/api/v1/organizer/events", { params: { query: { cursor, limit: 100 } }, signal })), []);
  const [made, setMade] = useState(/** @type {string | null} */ (null));
  const [leaving, setLeaving] = useState(/** @type {Key | null} */ (null));
  const [fault, setFault] = useState("");
  const once = useRef(intent()).current;
  const make = useAction(async (/** @type {HTMLFormElement} */ form) => {
    const values = new FormData(form);
    const scopes = /** @type {Scope[]} */ (values.getAll("scopes"));
    setFault(scopes.length ? "" : t("Choose at least one permission."));
    if (!scopes.length) return;
    const until = String(values.get("expires_at") ?? "");
    const body = { name: String(values.get("name")), scopes, event_id: String(values.get("event_id") ?? "") || null, expires_at: until ? new Date(until).toISOString() : null };
    const key = await once.send(body, (header) => take(api.POST("/api/v1/api-keys", { params: { header }, body })));
    form.reset();
    setMade(key.key);
    await keys.reload();
  });
  const revoke = useAction(async () => {
    if (leaving) await take(api.DELETE("/api/v1/api-keys/{api_key_id}", { params: { path: { api_key_id: leaving.id } } }));
    setLeaving(null);
    await keys.reload();
  });
  return html`
    <${Heading} title=${t("API keys")} />
    <p>${t("A program can act for you with a key, within the key's permissions. A key can never buy.")}</p>
    <${Pages} of=${keys} empty=${t("No keys yet.")}>
      ${(/** @type {Key} */ key) => html`<li key=${key.id} class="item">
        <div>
          <b>${key.name}</b> <${Badge} kind=${key.status === "ACTIVE" ? "good" : "info"}>${key.status === "ACTIVE" ? t("Valid") : key.revoked_at ? t("Revoked") : t("Expired")}<//>
          <p class="small"><code>${key.prefix}…</code> · ${key.scopes.map((scope) => SCOPES[scope]()).join(" · ")}</p>
          <p class="muted small">${key.last_used_at ? html`${t("Last used")} <${When} at=${key.last_used_at} />` : t("Never used")}
            ${key.expires_at && html` · ${t("Valid until")} <${When} at=${key.expires_at} />`}</p>
        </div>
        ${key.status === "ACTIVE" && html`<${Button} kind="danger" onClick=${() => setLeaving(key)}>${t("Revoke")}<span class="visually-hidden"> ${key.name}</span><//>`}
      </li>`}
    <//>
    <${Card} title=${t("New key")}>
      <form onSubmit=${(/** @type {SubmitEvent} */ submitted) => make.run(formOf(submitted))}>
        <${Trouble} error=${make.error} />
        <${Field} label=${t("Name")} name="name" maxlength="100" error=${make.error} />
        <fieldset><legend>${t("Permissions")}</legend>
          ${Object.entries(SCOPES).map(([scope, words]) => html`<${Checkbox} key=${scope} name="scopes" value=${scope} label=${words()} />`)}
          ${fault && html`<${Note} kind="bad">${fault}<//>`}
        </fieldset>
        <${Field} as="select" label=${t("For one event only")} name="event_id" optional=${true} error=${make.error}>
          <option value="">${t("All my events")}</option>
          ${events.items.map((event) => html`<option value=${event.id}>${event.title}</option>`)}
        <//>
        <${Field} type="datetime-local" label=${t("Valid until")} name="expires_at" optional=${true} hint=${t("If empty: until you revoke it. The time is this device's.")} error=${make.error} />
        <${Button} kind="primary" type="submit" busy=${make.busy}>${t("Create key")}<//>
      </form>
    <//>
    <${Secret} title=${t("Your new key")} secret=${made} onClose=${() => setMade(null)} />
    <${Confirm} open=${leaving !== null} danger=${true} title=${t("Revoke the key?")} yes=${t("Yes, revoke")} busy=${revoke.busy} error=${revoke.error} onYes=${() => revoke.run()} onNo=${() => setLeaving(null)}>
      <p>${t("Programs that use it are refused from then on. This can't be undone.")}</p>
    <//>
  `;
}
