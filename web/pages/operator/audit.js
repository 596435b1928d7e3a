/** What was done, by whom, to whom. */
import { api, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { usePages } from "../../core/load.js";
import { query as setQuery } from "../../core/router.js";
import { Badge, Button, Field, Pages, When, valuesOf } from "../../parts/ui.js";

/** @typedef {import("api").components["schemas"]["AuditEntry"]} AuditEntry */

/** @type {Record<AuditEntry["action"], true>} */
const ACTIONS = {
  API_KEY_CREATED: true, API_KEY_REVOKED: true, BUSINESS_NAMED: true, CODE_REFUSED: true, DISABLED: true, ENABLED: true, KEYS_ROTATED: true, LOGGED_IN: true,
  LOGGED_OUT: true, LOG_IN_FAILED: true, LOG_IN_REFUSED: true, ORGANIZER_DECLINED: true, ORGANIZER_REQUESTED: true, PASSWORD_CHANGED: true,
  PASSWORD_CHANGE_FAILED: true, PASSWORD_RESET: true, PROFILE_CHANGED: true, REFRESH_REUSED: true, REGISTERED: true, ROLE_CHANGED: true,
  SESSION_REVOKED: true,
};

/** @param {{of: string, action: string}} props of: the account's id; both may be empty: all of them */
export function Audit({ of, action }) {
  const entries = usePages(
    (cursor, signal) => take(api.GET("/api/v1/admin/audit", { params: { query: { cursor, limit: 50, user_id: of || undefined, action: /** @type {any} */ (action || undefined) } }, signal })),
    [of, action],
  );
  return html`
    <form role="search" class="code-form" onSubmit=${(/** @type {Event} */ event) => setQuery({ q: valuesOf(event).q?.trim(), action: valuesOf(event).action })}>
      <${Field} key=${of} label=${t("Id of the account")} name="q" type="search" class="mono" defaultValue=${of} optional=${true} />
      <${Field} label=${t("Action")} name="action" as="select" optional=${true} value=${action}>
        <option value="">${t("All")}</option>
        ${Object.keys(ACTIONS).map((one) => html`<option value=${one} selected=${one === action}>${one}</option>`)}
      <//>
      <${Button} type="submit">${t("Find")}<//>
    </form>
    <${Pages} of=${entries} empty=${t("No entries.")}>
      ${(/** @type {AuditEntry} */ entry) => html`<li key=${entry.id}>
        <p><${When} at=${entry.at} options=${{ dateStyle: "medium", timeStyle: "medium" }} /> <${Badge}>${entry.action}<//></p>
        <p class="small">${t("by")} <${Person} id=${entry.actor_id} />${entry.subject_id !== entry.actor_id && html` ${t("on")} <${Person} id=${entry.subject_id} />`}</p>
        ${Object.entries(entry.detail).map(([name, value]) => html`<p class="small"><span class="muted">${name}</span> <span class="mono">${value}</span></p>`)}
      </li>`}
    <//>
  `;
}

/** @param {{id: string | null}} props */
function Person({ id }) {
  return id ? html`<a class="mono" href=${`/operator?tab=audit&q=${id}`}>${id}</a>` : "–";
}
