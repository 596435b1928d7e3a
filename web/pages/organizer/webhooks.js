/** Webhooks: addresses of the organizer's own systems, which are told what happens. */
import { useRef, useState } from "../../vendor/hooks.js";
import { api, intent, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction, usePages } from "../../core/load.js";
import { Badge, Button, Card, Checkbox, Confirm, Field, Heading, Note, Pages, Trouble, When, formOf } from "../../parts/ui.js";
import { Secret } from "./secret.js";

/** @typedef {import("api").components["schemas"]["WebhookEndpoint"]} Endpoint */
/** @typedef {import("api").components["schemas"]["WebhookDelivery"]} Delivery */
/** @typedef {import("api").components["schemas"]["WebhookFact"]} Fact */
/** @typedef {import("../../parts/ui.js").BadgeKind} BadgeKind */

const FACTS = /** @type {Record<Fact, () => string>} */ ({
  "booking.confirmed": () => t("A booking is paid"),
  "booking.cancelled": () => t("A booking is cancelled"),
  "ticket.admitted": () => t("Somebody is admitted"),
  "payment.refunded": () => t("A refund was made"),
  "event.published": () => t("An event is on sale"),
  "event.changed": () => t("An event on sale was changed"),
  "event.cancelled": () => t("An event is cancelled"),
});

const STATUSES = /** @type {Record<Endpoint["status"], [BadgeKind, () => string]>} */ ({
  ENABLED: ["good", () => t("On")],
  DISABLED: ["info", () => t("Off")],
  FAILING: ["bad", () => t("Off: it failed for days")],
  GONE: ["bad", () => t("Off: it answered that it is gone")],
});

const DELIVERIES = /** @type {Record<Delivery["status"], [BadgeKind, () => string]>} */ ({
  WAITING: ["warn", () => t("Waiting")],
  DELIVERED: ["good", () => t("Delivered")],
  GIVEN_UP: ["bad", () => t("Failed")],
});

export default function Webhooks() {
  const endpoints = usePages((cursor, signal) => take(api.GET("/api/v1/webhook-endpoints", { params: { query: { cursor, limit: 50 } }, signal })), []);
  const [secret, setSecret] = useState(/** @type {string | null} */ (null));
  const [fault, setFault] = useState("");
  const once = useRef(intent()).current;
  const make = useAction(async (/** @type {HTMLFormElement} */ form) => {
    const values = new FormData(form);
    const facts = /** @type {Fact[]} */ (values.getAll("facts"));
    setFault(facts.length ? "" : t("Choose at least one event type."));
    if (!facts.length) return;
    const body = { url: String(values.get("url")), description: String(values.get("description") ?? ""), facts };
    const endpoint = await once.send(body, (header) => take(api.POST("/api/v1/webhook-endpoints", { params: { header }, body })));
    form.reset();
    setSecret(endpoint.secret);
    await endpoints.reload();
  });
  return html`
    <${Heading} title=${t("Webhooks")} />
    <p>${t("Your own systems are notified of what happens, by signed requests.")}</p>
    <${Pages} of=${endpoints} as="div" class="" empty=${t("No webhooks yet.")}>
      ${(/** @type {Endpoint} */ endpoint) => html`<${One} key=${endpoint.id} endpoint=${endpoint} changed=${endpoints.reload} tell=${setSecret} />`}
    <//>
    <${Card} title=${t("New webhook")}>
      <form onSubmit=${(/** @type {SubmitEvent} */ submitted) => make.run(formOf(submitted))}>
        <${Trouble} error=${make.error} />
        <${Field} type="url" label=${t("Address")} name="url" maxlength="500" placeholder="https://" hint=${t("https, on a public host.")} error=${make.error} />
        <${Field} label=${t("Name")} name="description" maxlength="100" optional=${true} error=${make.error} />
        <fieldset><legend>${t("Event types")}</legend>
          ${Object.entries(FACTS).map(([fact, words]) => html`<${Checkbox} key=${fact} name="facts" value=${fact} label=${words()} />`)}
          ${fault && html`<${Note} kind="bad">${fault}<//>`}
        </fieldset>
        <${Button} kind="primary" type="submit" busy=${make.busy}>${t("Add the webhook")}<//>
      </form>
    <//>
    <${Secret} title=${t("Secret of the webhook")} secret=${secret} onClose=${() => setSecret(null)} />
  `;
}

/** @param {{endpoint: Endpoint, changed: () => Promise<void>, tell: (secret: string) => void}} props */
function One({ endpoint, changed, tell }) {
  const path = { endpoint_id: endpoint.id };
  const [asking, setAsking] = useState(/** @type {"rotate" | "remove" | null} */ (null));
  const [tries, setTries] = useState(0);
  const [open, setOpen] = useState(false);
  const testing = useRef(intent()).current;
  const rotating = useRef(intent()).current;
  const switched = useAction(async () => {
    await take(api.PATCH("/api/v1/webhook-endpoints/{endpoint_id}", { params: { path }, body: { enabled: endpoint.status !== "ENABLED" } }));
    await changed();
  });
  const test = useAction(async () => {
    await testing.send(endpoint.id, (header) => take(api.POST("/api/v1/webhook-endpoints/{endpoint_id}/test", { params: { path, header } })));
    setOpen(true);
    setTries(tries + 1);
  });
  const sure = useAction(async () => {
    if (asking === "remove") {
      await take(api.DELETE("/api/v1/webhook-endpoints/{endpoint_id}", { params: { path } }));
    } else {
      const renewed = await rotating.send(endpoint.id, (header) => take(api.POST("/api/v1/webhook-endpoints/{endpoint_id}/rotate-secret", { params: { path, header } })));
      tell(renewed.secret);
    }
    setAsking(null);
    await changed();
  });
  const [kind, words] = STATUSES[endpoint.status];
  const isOn = endpoint.status === "ENABLED";
  return html`<${Card} title=${endpoint.description || endpoint.url}>
    <p><${Badge} kind=${kind}>${words()}<//> <span class="mono">${endpoint.url}</span></p>
    <p>${endpoint.facts.map((fact) => FACTS[fact]()).join(" · ")}</p>
    ${endpoint.failing_since && html`<p>${t("Failing since")} <${When} at=${endpoint.failing_since} /></p>`}
    ${endpoint.old_secret_until && html`<p class="muted small">${t("The previous secret also signs until")} <${When} at=${endpoint.old_secret_until} /></p>`}
    <${Trouble} error=${switched.error ?? test.error} />
    <div class="actions">
      <${Button} busy=${test.busy} disabled=${!isOn} onClick=${() => test.run()}>${t("Send a test")}<//>
      <${Button} aria-expanded=${open ? "true" : "false"} onClick=${() => setOpen(!open)}>${t("Deliveries")}<//>
      <${Button} busy=${switched.busy} onClick=${() => switched.run()}>${isOn ? t("Switch off") : t("Switch on")}<//>
      <${Button} onClick=${() => setAsking("rotate")}>${t("New secret")}<//>
      <${Button} kind="danger" onClick=${() => setAsking("remove")}>${t("Remove")}<//>
    </div>
    ${open && html`<${Deliveries} endpoint=${endpoint} tries=${tries} />`}
    <${Confirm} open=${asking !== null} danger=${true} title=${asking === "remove" ? t("Remove the webhook?") : t("Create a new secret?")} yes=${asking === "remove" ? t("Yes, remove") : t("Yes, create it")} busy=${sure.busy} error=${sure.error} onYes=${() => sure.run()} onNo=${() => setAsking(null)}>
      <p>${asking === "remove" ? t("Nothing is sent there any more, and waiting deliveries are dropped.") : t("The old secret also signs for a day, so that your system can change over.")}</p>
    <//>
  <//>`;
}

/** @param {{endpoint: Endpoint, tries: number}} props */
function Deliveries({ endpoint, tries }) {
  const path = { endpoint_id: endpoint.id };
  const deliveries = usePages((cursor, signal) => take(api.GET("/api/v1/webhook-endpoints/{endpoint_id}/deliveries", { params: { path, query: { cursor, limit: 20 } }, signal })), [endpoint.id, tries]);
  const once = useRef(intent()).current;
  const resend = useAction(async (/** @type {string} */ delivery_id) => {
    await once.send(delivery_id, (header) => take(api.POST("/api/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/resend", { params: { path: { ...path, delivery_id }, header } })));
    await deliveries.reload();
  });
  return html`
    <${Trouble} error=${resend.error} />
    <${Pages} of=${deliveries} empty=${t("Nothing was sent yet.")}>
      ${(/** @type {Delivery} */ delivery) => {
        const [kind, words] = DELIVERIES[delivery.status];
        const answer = delivery.answer_status ?? delivery.error;
        return html`<li key=${delivery.id} class="item">
          <div>
            <b>${delivery.fact === "webhook.test" ? t("A test") : FACTS[delivery.fact]()}</b> <${Badge} kind=${kind}>${words()}<//>
            <p class="muted small"><${When} at=${delivery.created_at} /> · ${t("tried {times} times", { times: format.number(delivery.attempts) })}
              ${answer !== null && ` · ${t("response: {answer}", { answer })}`}
              ${delivery.next_try_at && html` · ${t("next try")} <${When} at=${delivery.next_try_at} />`}</p>
            ${delivery.answer && html`<details><summary>${t("Beginning of the response")}</summary><pre tabindex="0">${delivery.answer}</pre></details>`}
          </div>
          <${Button} busy=${resend.busy} disabled=${endpoint.status !== "ENABLED"} onClick=${() => resend.run(delivery.id)}>${t("Send again")}<//>
        </li>`;
      }}
    <//>
    <p><${Button} onClick=${deliveries.reload}>${t("Refresh")}<//></p>
  `;
}
