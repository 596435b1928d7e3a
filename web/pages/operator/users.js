/** Accounts: finding them, their roles, and closing them. */
import { useState } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction, usePages } from "../../core/load.js";
import { query as setQuery } from "../../core/router.js";
import { user as me } from "../../core/session.js";
import { Badge, Button, Confirm, Field, Pages, Trouble, When, valuesOf } from "../../parts/ui.js";
import { Keys } from "./keys.js";

/** @typedef {import("api").components["schemas"]["ManagedUser"]} ManagedUser */
/** @typedef {import("api").components["schemas"]["AccountChange"]} AccountChange */

const ROLES = /** @type {const} */ (["CUSTOMER", "ORGANIZER", "ADMIN"]);

/** @param {{words: string}} props */
export function Users({ words }) {
  const [status, setStatus] = useState("");
  const users = usePages(
    (cursor, signal) => take(api.GET("/api/v1/admin/users", { params: { query: { cursor, limit: 30, q: words || undefined, status: /** @type {any} */ (status || undefined) } }, signal })),
    [words, status],
  );
  const [keysOf, setKeysOf] = useState(/** @type {ManagedUser | null} */ (null));
  const [role, setRole] = useState(/** @type {{of: ManagedUser, to: ManagedUser["role"]} | null} */ (null));
  const [closing, setClosing] = useState(/** @type {ManagedUser | null} */ (null));
  const change = useAction(async (/** @type {ManagedUser} */ of, /** @type {AccountChange} */ to) => {
    await take(api.PATCH("/api/v1/admin/users/{user_id}", { params: { path: { user_id: of.id } }, body: to }));
    setClosing(null);
    setRole(null);
    await users.reload();
  });
  return html`
    <form role="search" class="code-form" onSubmit=${(/** @type {Event} */ event) => setQuery({ q: valuesOf(event).q?.trim() })}>
      <${Field} label=${t("Name or address")} name="q" type="search" defaultValue=${words} optional=${true} />
      <${Field} label=${t("Show")} name="status" as="select" optional=${true} onChange=${(/** @type {any} */ event) => setStatus(event.currentTarget.value)}>
        <option value="">${t("All")}</option>
        <option value="ORGANIZER_REQUESTED">${t("Want to organize")}</option>
        <option value="BUSINESS_NAME_REQUESTED">${t("Business names to approve")}</option>
        <option value="DISABLED">${t("Closed")}</option>
      <//>
      <${Button} type="submit">${t("Find")}<//>
    </form>
    <${Trouble} error=${closing || role ? null : change.error} />
    <${Pages} of=${users} empty=${t("No accounts found.")}>
      ${(/** @type {ManagedUser} */ one) => html`<li key=${one.id} class="item">
        <div>
          <b>${one.name}</b> ${one.disabled && html`<${Badge} kind="bad">${t("Closed")}<//>`} ${one.organizer_requested && html`<${Badge} kind="warn">${t("Wants to organize")}<//>`}
          ${one.business_name && html`<p class="small">${t("Sells as {name}", { name: one.business_name })}</p>`}
          ${one.requested_business_name && html`<p class="small">${t("Wants to sell as {name}", { name: one.requested_business_name })}</p>`}
          <p class="muted small">${one.email} · ${one.last_log_in_at ? html`${t("last log-in")} <${When} at=${one.last_log_in_at} />` : t("never logged in")}</p>
        </div>
        ${one.id !== me.value?.id && html`<div class="actions">
          <a href=${`/operator?tab=audit&q=${one.id}`}>${t("Audit trail")}<span class="visually-hidden"> ${one.name}</span></a>
          ${one.role !== "CUSTOMER" && html`<${Button} onClick=${() => setKeysOf(one)}>${t("API keys")}<span class="visually-hidden"> ${one.name}</span><//>`}
          <label>${t("Role")} <select aria-label=${t("Role of {name}", { name: one.name })} value=${one.role} onChange=${(/** @type {any} */ event) => {
            setRole({ of: one, to: event.currentTarget.value });
            event.currentTarget.value = one.role; // until it is confirmed
          }}>
            ${ROLES.map((role) => html`<option value=${role} selected=${role === one.role}>${role}</option>`)}
          </select></label>
          ${one.requested_business_name && html`
            <${Button} busy=${change.busy} onClick=${() => change.run(one, { business_name: one.requested_business_name })}>${t("Approve the name")}<span class="visually-hidden"> ${one.requested_business_name}</span><//>
            <${Button} busy=${change.busy} onClick=${() => change.run(one, { business_name: one.business_name })}>${t("Decline the name")}<span class="visually-hidden"> ${one.requested_business_name}</span><//>`}
          ${one.disabled
            ? html`<${Button} onClick=${() => change.run(one, { disabled: false })}>${t("Reopen")}<//>`
            : html`<${Button} kind="danger" onClick=${() => setClosing(one)}>${t("Close")}<span class="visually-hidden"> ${one.name}</span><//>`}
        </div>`}
      </li>`}
    <//>
    ${keysOf && html`<${Keys} key=${keysOf.id} of=${keysOf} onClose=${() => setKeysOf(null)} />`}
    <${Confirm} open=${role !== null} title=${t("Change the role?")} yes=${t("Yes, change it")} danger=${role?.to === "ADMIN"} busy=${change.busy} error=${change.error} onYes=${() => role && change.run(role.of, { role: role.to })} onNo=${() => setRole(null)}>
      <p>${t("{name} becomes {role}, instead of {before}.", { name: role?.of.name, role: role?.to, before: role?.of.role })}</p>
    <//>
    <${Confirm} open=${closing !== null} title=${t("Close this account?")} yes=${t("Yes, close it")} danger=${true} busy=${change.busy} error=${change.error} onYes=${() => closing && change.run(closing, { disabled: true })} onNo=${() => setClosing(null)}>
      <p>${t("{name} is logged out everywhere and can't log in. Tickets that were bought stay valid.", { name: closing?.name ?? "" })}</p>
    <//>
  `;
}
