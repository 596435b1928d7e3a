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
  "events:write": () => t("Make and change events and venues"),
  "bookings:read": () => t("Read bookings, with names and addresses"),
  "bookings:write": () => t("Cancel bookings and give money back"),
  "coupons:read": () => t("Read coupons"),
  "coupons:write": () => t("Make and change coupons"),
  "check-ins:write": () => t("Let people in"),
  "sales:read": () => t("Read figures of sales"),
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
    setFault(scopes.length ? "" : t("Choose at least one thing it may do."));
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
    <p>${t("A program acts for you by a key, and only in what the key is for. A key never buys.")}</p>
    <${Pages} of=${keys} empty=${t("No keys yet.")}>
      ${(/** @type {Key} */ key) => html`<li key=${key.id} class="item">
        <div>
          <b>${key.name}</b> <${Badge} kind=${key.status === "ACTIVE" ? "good" : "info"}>${key.status === "ACTIVE" ? t("Good") : key.revoked_at ? t("Revoked") : t("Run out")}<//>
          <p class="small"><code>${key.prefix}…</code> · ${key.scopes.map((scope) => SCOPES[scope]()).join(" · ")}</p>
          <p class="muted small">${key.last_used_at ? html`${t("Last used")} <${When} at=${key.last_used_at} />` : t("Never used")}
            ${key.expires_at && html` · ${t("Good until")} <${When} at=${key.expires_at} />`}</p>
        </div>
        ${key.status === "ACTIVE" && html`<${Button} kind="danger" onClick=${() => setLeaving(key)}>${t("Revoke")}<span class="visually-hidden"> ${key.name}</span><//>`}
      </li>`}
    <//>
    <${Card} title=${t("New key")}>
      <form onSubmit=${(/** @type {SubmitEvent} */ submitted) => make.run(formOf(submitted))}>
        <${Trouble} error=${make.error} />
        <${Field} label=${t("What you call it")} name="name" maxlength="100" error=${make.error} />
        <fieldset><legend>${t("What it may do")}</legend>
          ${Object.entries(SCOPES).map(([scope, words]) => html`<${Checkbox} key=${scope} name="scopes" value=${scope} label=${words()} />`)}
          ${fault && html`<${Note} kind="bad">${fault}<//>`}
        </fieldset>
        <${Field} as="select" label=${t("For one event only")} name="event_id" optional=${true} error=${make.error}>
          <option value="">${t("All of mine")}</option>
          ${events.items.map((event) => html`<option value=${event.id}>${event.title}</option>`)}
        <//>
        <${Field} type="datetime-local" label=${t("Good until")} name="expires_at" optional=${true} hint=${t("Empty: until you revoke it. The time is this device's.")} error=${make.error} />
        <${Button} kind="primary" type="submit" busy=${make.busy}>${t("Make the key")}<//>
      </form>
    <//>
    <${Secret} title=${t("Your new key")} secret=${made} onClose=${() => setMade(null)} />
    <${Confirm} open=${leaving !== null} danger=${true} title=${t("Revoke the key?")} yes=${t("Yes, revoke")} busy=${revoke.busy} error=${revoke.error} onYes=${() => revoke.run()} onNo=${() => setLeaving(null)}>
      <p>${t("Programs that use it are refused from then on. This can't be taken back.")}</p>
    <//>
  `;
}
