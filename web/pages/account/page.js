/** The account: profile, password, devices, and what one is told. */
import { useState } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction, useLoad } from "../../core/load.js";
import { query as setQuery } from "../../core/router.js";
import { renamed, user } from "../../core/session.js";
import { Badge, Button, Checkbox, Confirm, Field, Heading, Loaded, Note, Tabs, Trouble, When, formOf, valuesOf } from "../../parts/ui.js";

/** @typedef {import("api").components["schemas"]["OpenSession"]} OpenSession */
/** @typedef {import("api").components["schemas"]["Preference"]} Preference */

/** @param {{query: URLSearchParams}} props */
export default function Account({ query }) {
  return html`
    <${Heading} title=${t("Account")} />
    <${Tabs}
      label=${t("Account")}
      chosen=${query.get("tab")}
      onChoose=${(/** @type {string} */ tab) => setQuery({ tab })}
      tabs=${[
        { id: "profile", label: t("Profile"), show: () => html`<${Profile} />` },
        { id: "password", label: t("Password"), show: () => html`<${Password} />` },
        { id: "devices", label: t("Devices"), show: () => html`<${Devices} />` },
        { id: "news", label: t("Notifications"), show: () => html`<${News} />` },
      ]}
    />
  `;
}

function Profile() {
  const me = user.value;
  const [saved, setSaved] = useState(false);
  const save = useAction(async (/** @type {Record<string, string>} */ values) => {
    setSaved(false);
    const changed = await take(
      api.PATCH("/api/v1/users/me", {
        body: {
          name: values.name,
          phone: values.phone?.trim() || null,
          country: values.country?.trim().toUpperCase() || null,
          language: /** @type {any} */ (values.language),
          ...(values.organizer && { organizer_requested: true }),
          ...(values.business_name !== undefined && { business_name: values.business_name.trim() || null }),
        },
      }),
    );
    renamed(changed);
    setSaved(true);
  });
  if (!me) return null;
  return html`<form class="card narrow" onSubmit=${(/** @type {Event} */ event) => save.run(valuesOf(event))}>
    <p class="muted">${me.email} · ${t("member since")} <${When} at=${me.created_at} options=${{ dateStyle: "medium" }} /></p>
    <${Trouble} error=${save.error} />
    ${saved && html`<${Note} kind="good">${t("Saved.")}<//>`}
    <${Field} label=${t("Your name")} name="name" autocomplete="name" maxlength="100" defaultValue=${me.name} error=${save.error} />
    <${Field} label=${t("Phone")} name="phone" type="tel" autocomplete="tel" optional=${true} defaultValue=${me.phone ?? ""} hint=${t("With the country's code: +977 …")} error=${save.error} />
    <${Field} label=${t("Country")} name="country" autocomplete="country" optional=${true} maxlength="2" defaultValue=${me.country ?? ""} hint=${t("Two letters, such as NP.")} error=${save.error} />
    <${Field} label=${t("Language of e-mails")} name="language" as="select" error=${save.error}>
      <option value="en" selected=${me.language === "en"}>English</option>
      <option value="ne" selected=${me.language === "ne"}>नेपाली</option>
    <//>
    ${me.role === "CUSTOMER" && (me.organizer_requested
      ? html`<${Note}>${t("You asked to organize events. An admin will review it.")}<//>`
      : html`<${Checkbox} label=${t("I want to organize events")} name="organizer" value="yes" hint=${t("An admin reviews it first.")} />`)}
    ${(me.role !== "CUSTOMER" || me.organizer_requested) && html`<${Field} label=${t("Name of your business")} name="business_name" autocomplete="organization" optional=${true} maxlength="100" defaultValue=${me.requested_business_name ?? me.business_name ?? ""} hint=${nameHint(me)} error=${save.error} />`}
    <${Button} kind="primary" type="submit" busy=${save.busy}>${t("Save")}<//>
  </form>`;
}

/** What becomes of the name of a business. @param {import("api").components["schemas"]["User"]} me */
function nameHint({ business_name: name, requested_business_name: asked }) {
  if (!asked) return t("Shown on your events. An admin approves a new name first.");
  return name ? t("Waits for an admin's approval. Until then your events show {name}.", { name }) : t("Waits for an admin's approval. Until then your events show no name.");
}

function Password() {
  const [saved, setSaved] = useState(false);
  const save = useAction(async (/** @type {HTMLFormElement} */ form) => {
    setSaved(false);
    const values = new FormData(form);
    await take(
      api.PUT("/api/v1/users/me/password", {
        body: { current_password: String(values.get("current_password")), new_password: String(values.get("new_password")) },
      }),
    );
    form.reset();
    setSaved(true);
  });
  return html`<form class="card narrow" onSubmit=${(/** @type {SubmitEvent} */ event) => save.run(formOf(event))}>
    <${Trouble} error=${save.error} />
    ${saved && html`<${Note} kind="good">${t("Your new password is set. Other devices were logged out.")}<//>`}
    <input type="hidden" name="username" autocomplete="username" value=${user.value?.email} />
    <${Field} label=${t("Current password")} name="current_password" type="password" autocomplete="current-password" error=${save.error} />
    <${Field} label=${t("New password")} name="new_password" type="password" autocomplete="new-password" minlength="10" hint=${t("At least 10 characters; four words are good, too.")} error=${save.error} />
    <${Button} kind="primary" type="submit" busy=${save.busy}>${t("Set the password")}<//>
  </form>`;
}

/** A browser's name and system out of what it says of itself. @param {string} agent */
export function deviceName(agent) {
  const browser = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]].find(([mark]) => agent.includes(mark ?? ""))?.[1];
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "Mac"], ["Linux", "Linux"]].find(([mark]) => agent.includes(mark ?? ""))?.[1];
  if (!browser) return agent.slice(0, 60) || t("Unknown device");
  return system ? t("{browser} on {system}", { browser, system }) : browser;
}

function Devices() {
  const sessions = useLoad(async (signal) => (await take(api.GET("/api/v1/auth/sessions", { signal }))).items, []);
  const [leaving, setLeaving] = useState(/** @type {OpenSession[] | null} */ (null));
  const end = useAction(async () => {
    for (const one of leaving ?? []) {
      await take(api.DELETE("/api/v1/auth/sessions/{session_id}", { params: { path: { session_id: one.id } } }));
    }
    setLeaving(null);
    await sessions.reload();
  });
  return html`<${Loaded} of=${sessions}>
    ${(/** @type {OpenSession[]} */ all) => {
      const others = all.filter((one) => !one.current);
      return html`
        <ul class="list" role="list">
          ${all.map((one) => html`<li key=${one.id} class="item">
            <div>
              <b>${deviceName(one.user_agent)}</b> ${one.current && html`<${Badge} kind="good">${t("Current device")}<//>`}
              <p class="muted small">${one.address} · ${t("last used")} <${When} at=${one.last_used_at} /></p>
            </div>
            ${!one.current && html`<${Button} onClick=${() => setLeaving([one])}>${t("Log out this device")}<//>`}
          </li>`)}
        </ul>
        ${others.length > 1 && html`<p><${Button} kind="danger" onClick=${() => setLeaving(others)}>${t("Log out all others")}<//></p>`}
        <${Confirm} open=${leaving !== null} title=${t("Log out?")} yes=${t("Yes, log out")} danger=${true} busy=${end.busy} error=${end.error} onYes=${() => end.run()} onNo=${() => setLeaving(null)}>
          <p>${t("Whoever uses it must log in again. If you don't know the device, set a new password, too.")}</p>
        <//>
      `;
    }}
  <//>`;
}

function News() {
  const wishes = useLoad(async (signal) => (await take(api.GET("/api/v1/users/me/notification-preferences", { signal }))).items, []);
  const wish = useAction(async (/** @type {Preference} */ of) => {
    const { kind, channel, wanted } = of;
    const told = await take(api.PUT("/api/v1/users/me/notification-preferences", { body: { items: [{ kind, channel, wanted: !wanted }] } }));
    wishes.set(told.items);
  });
  return html`<${Loaded} of=${wishes}>
    ${(/** @type {Preference[]} */ all) => {
      const kinds = [...new Set(all.map((one) => one.kind))];
      /** @param {string} kind @param {"MAIL" | "APP"} channel */
      const box = (kind, channel) => {
        const one = all.find((each) => each.kind === kind && each.channel === channel);
        if (!one) return html`<span class="muted">–</span>`;
        return html`<input type="checkbox" checked=${one.wanted} disabled=${one.essential} aria-label=${`${one.tells}: ${channel === "MAIL" ? t("by e-mail") : t("in the app")}`} onChange=${() => wish.run(one)} />`;
      };
      return html`
        <${Trouble} error=${wish.error} />
        <div class="scroll" tabindex="0" role="region" aria-label=${t("Notifications")}>
          <table>
            <thead><tr><th scope="col">${t("Notification")}</th><th scope="col">${t("By e-mail")}</th><th scope="col">${t("In the app")}</th></tr></thead>
            <tbody>${kinds.map((kind) => html`<tr key=${kind}><th scope="row" class="tells">${all.find((one) => one.kind === kind)?.tells}</th><td>${box(kind, "MAIL")}</td><td>${box(kind, "APP")}</td></tr>`)}</tbody>
          </table>
        </div>
        <p class="muted small">${t("Messages about payments and your account are always sent by e-mail.")}</p>
      `;
    }}
  <//>`;
}
