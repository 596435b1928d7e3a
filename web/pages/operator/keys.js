/** Somebody's API keys, which an admin may end. */
import { useState } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction, usePages } from "../../core/load.js";
import { Badge, Button, Confirm, Dialog, Pages, When } from "../../parts/ui.js";

/** @typedef {import("api").components["schemas"]["ApiKey"]} Key */
/** @typedef {import("api").components["schemas"]["ManagedUser"]} ManagedUser */

/** @param {{of: ManagedUser, onClose: () => void}} props */
export function Keys({ of, onClose }) {
  const path = { user_id: of.id };
  const keys = usePages((cursor, signal) => take(api.GET("/api/v1/admin/users/{user_id}/api-keys", { params: { path, query: { cursor, limit: 50 } }, signal })), [of.id]);
  const [ending, setEnding] = useState(/** @type {Key | null} */ (null));
  const revoke = useAction(async (/** @type {Key} */ key) => {
    await take(api.DELETE("/api/v1/admin/users/{user_id}/api-keys/{api_key_id}", { params: { path: { ...path, api_key_id: key.id } } }));
    setEnding(null);
    await keys.reload();
  });
  return html`
    <${Dialog} open=${true} wide=${true} title=${t("API keys of {name}", { name: of.name })} onClose=${onClose}>
      <${Pages} of=${keys} empty=${t("No keys.")}>
        ${(/** @type {Key} */ key) => html`<li key=${key.id} class="item">
          <div>
            <b>${key.name}</b> <${Badge} kind=${key.status === "ACTIVE" ? "good" : "info"}>${key.status === "ACTIVE" ? t("Valid") : key.revoked_at ? t("Revoked") : t("Expired")}<//>
            <p class="small"><code>${key.prefix}…</code> · ${key.scopes.join(" · ")}</p>
            <p class="muted small">${key.last_used_at ? html`${t("Last used")} <${When} at=${key.last_used_at} />` : t("Never used")}</p>
          </div>
          ${key.status === "ACTIVE" && html`<${Button} kind="danger" onClick=${() => setEnding(key)}>${t("Revoke")}<span class="visually-hidden"> ${key.name}</span><//>`}
        </li>`}
      <//>
    <//>
    <${Confirm} open=${ending !== null} danger=${true} title=${t("Revoke the key?")} yes=${t("Yes, revoke")} busy=${revoke.busy} error=${revoke.error} onYes=${() => ending && revoke.run(ending)} onNo=${() => setEnding(null)}>
      <p>${t("{name}: whatever uses it is refused at once. This can't be undone.", { name: ending?.name ?? "" })}</p>
    <//>
  `;
}
