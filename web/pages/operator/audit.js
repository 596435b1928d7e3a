/** What was done, by whom, to whom. */
import { api, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { usePages } from "../../core/load.js";
import { Badge, Pages, When } from "../../parts/ui.js";

export function Audit() {
  const entries = usePages((cursor, signal) => take(api.GET("/api/v1/admin/audit", { params: { query: { cursor, limit: 50 } }, signal })), []);
  return html`<${Pages} of=${entries} empty=${t("No entries yet.")}>
    ${(/** @type {import("api").components["schemas"]["AuditEntry"]} */ entry) => html`<li key=${entry.id}>
      <p><${When} at=${entry.at} options=${{ dateStyle: "medium", timeStyle: "medium" }} /> <${Badge}>${entry.action}<//></p>
      <p class="small">${t("by")} <span class="mono">${entry.actor_id ?? "–"}</span> ${t("on")} <span class="mono">${entry.subject_id ?? "–"}</span></p>
      ${Object.keys(entry.detail).length > 0 && html`<p class="mono small">${JSON.stringify(entry.detail)}</p>`}
    </li>`}
  <//>`;
}
