/** An event's coupons. */
import { useRef, useState } from "../../vendor/hooks.js";
import { api, intent, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction, usePages } from "../../core/load.js";
import { Badge, Button, Card, Field, Pages, Trouble, When, formOf } from "../../parts/ui.js";
import { fromLocal } from "./zone.js";

/** @typedef {import("api").components["schemas"]["Coupon"]} Coupon */
/** @typedef {import("./status.js").Event} Event */

/** @param {{event: Event}} props */
export function Coupons({ event }) {
  const { currency } = event;
  const unit = 10 ** format.digits(currency);
  const [kind, setKind] = useState(/** @type {Coupon["kind"]} */ ("PERCENT"));
  const path = { event_id: event.id };
  const once = useRef(intent()).current;
  const coupons = usePages((cursor, signal) => take(api.GET("/api/v1/events/{event_id}/coupons", { params: { path, query: { cursor, limit: 50 } }, signal })), [event.id]);
  const make = useAction(async (/** @type {HTMLFormElement} */ form) => {
    const values = new FormData(form);
    const text = (/** @type {string} */ name) => String(values.get(name) ?? "");
    const count = (/** @type {string} */ name) => (text(name) ? Number(text(name)) : null);
    const amount = (/** @type {string} */ name) => (text(name) ? Math.round(Number(text(name)) * unit) : null);
    const time = (/** @type {string} */ name) => (text(name) ? fromLocal(text(name), event.timezone) : null);
    const body = {
      code: text("code").trim().toUpperCase(),
      kind,
      value: (kind === "PERCENT" ? count("value") : amount("value")) ?? 0,
      min_total: amount("min_total"),
      max_discount: amount("max_discount"),
      usage_limit: count("usage_limit"),
      per_customer_limit: count("per_customer_limit"),
      valid_from: time("valid_from"),
      valid_to: time("valid_to"),
    };
    await once.send(body, (header) => take(api.POST("/api/v1/events/{event_id}/coupons", { params: { path, header }, body })));
    form.reset();
    await coupons.reload();
  });
  const change = useAction(async (/** @type {Coupon} */ coupon, /** @type {import("api").components["schemas"]["CouponChange"]} */ body) => {
    await take(api.PATCH("/api/v1/events/{event_id}/coupons/{code}", { params: { path: { ...path, code: coupon.code } }, body }));
    await coupons.reload();
  });
  const error = make.error;
  return html`
    <${Trouble} error=${change.error} />
    <${Pages} of=${coupons} empty=${t("No coupons yet.")}>
      ${(/** @type {Coupon} */ coupon) => html`<li key=${coupon.code} class="item">
        <div>
          <b class="mono">${coupon.code}</b> <${Badge} kind=${coupon.active ? "good" : "info"}>${coupon.active ? t("On") : t("Off")}<//>
          <p>${worthOf(coupon, currency)}</p>
          <p class="muted small">${coupon.usage_limit === null ? t("Used {used} times", { used: format.number(coupon.used) }) : t("Used {used} of {limit} times", { used: format.number(coupon.used), limit: format.number(coupon.usage_limit) })}
            ${coupon.valid_to && html` · ${t("until")} <${When} at=${coupon.valid_to} zone=${event.timezone} />`}</p>
        </div>
        <${Button} busy=${change.busy} onClick=${() => change.run(coupon, { active: !coupon.active })}>${coupon.active ? t("Switch off") : t("Switch on")}<span class="visually-hidden"> ${coupon.code}</span><//>
      </li>`}
    <//>
    <${Card} title=${t("New coupon")}>
      <form onSubmit=${(/** @type {SubmitEvent} */ submitted) => make.run(formOf(submitted))}>
        <${Trouble} error=${error} />
        <div class="row">
          <${Field} label=${t("Code")} name="code" maxlength="32" autocapitalize="characters" error=${error} />
          <${Field} as="select" label=${t("Discount")} name="kind" value=${kind} onChange=${(/** @type {any} */ chosen) => setKind(chosen.currentTarget.value)} error=${error}>
            <option value="PERCENT">${t("Percent")}</option>
            <option value="FIXED">${t("Amount in {currency}", { currency })}</option>
          <//>
          <${Field} type="number" label=${t("Amount")} name="value" min="0" max=${kind === "PERCENT" ? 100 : undefined} step=${kind === "PERCENT" ? 1 : 1 / unit} error=${error} />
        </div>
        <div class="row">
          <${Field} type="number" label=${t("Minimum order")} name="min_total" min="0" step=${1 / unit} optional=${true} error=${error} />
          <${Field} type="number" label=${t("Maximum discount")} name="max_discount" min="0" step=${1 / unit} optional=${true} error=${error} />
          <${Field} type="number" label=${t("Number of bookings")} name="usage_limit" min="1" optional=${true} error=${error} />
          <${Field} type="number" label=${t("Bookings per person")} name="per_customer_limit" min="1" optional=${true} error=${error} />
        </div>
        <div class="row">
          <${Field} type="datetime-local" label=${t("Valid from")} name="valid_from" optional=${true} error=${error} />
          <${Field} type="datetime-local" label=${t("Valid until")} name="valid_to" optional=${true} error=${error} />
        </div>
        <${Button} kind="primary" type="submit" busy=${make.busy}>${t("Create coupon")}<//>
      </form>
    <//>
  `;
}

/** What it takes off, in words. @param {Coupon} coupon @param {string} currency */
function worthOf(coupon, currency) {
  const worth = coupon.kind === "PERCENT" ? format.number(coupon.value / 100, { style: "percent" }) : format.money({ amount: coupon.value, currency });
  return t("{worth} off", { worth });
}
