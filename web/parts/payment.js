/** How to pay: the methods that are offered here by the names people know, and cards to try. */
import { useState } from "../vendor/hooks.js";
import { api, take } from "../core/api.js";
import { html } from "../core/html.js";
import { t } from "../core/i18n.js";
import { useLoad } from "../core/load.js";
import { Loaded, Note } from "./ui.js";

/** @typedef {import("api").components["schemas"]["OfferedMethod"]} Offered */
/** @typedef {Offered["method"]} Method */
/** @typedef {{method: Method, token: string | null}} Payment */

const METHODS = /** @type {Record<Method, () => string>} */ ({
  CARD: () => t("Card"),
  KHALTI: () => "Khalti",
  ESEWA: () => "eSewa",
});

/** @param {Method} method */
export const methodName = (method) => METHODS[method]();

/** Cards to try, in words that can be translated; others have the API's. @type {Record<string, () => string>} */
const CARDS = {
  tok_ok: () => t("A good card"),
  tok_action_required: () => t("A card whose bank asks first"),
  tok_declined: () => t("A card that is declined"),
  tok_insufficient_funds: () => t("A card without enough money"),
  tok_slow: () => t("A card that takes three seconds"),
  tok_webhook_late: () => t("A card whose bank answers later"),
  tok_webhook_duplicated: () => t("A card whose bank answers twice"),
  tok_capture_fails: () => t("A card that is approved, and then not charged"),
  tok_error_500_once: () => t("A card whose bank fails once"),
  tok_timeout_charged: () => t("A card that is charged without an answer"),
  tok_timeout_not_charged: () => t("A card without an answer"),
};

/** Whether this page can pay by it: no card number is ever typed here. @param {Offered} offered */
const isUsable = (offered) => offered.flow === "REDIRECT" || offered.test_cards.length > 0;

/** @param {Offered} offered @returns {Payment} */
const firstOf = (offered) => ({ method: offered.method, token: offered.flow === "TOKEN" ? (offered.test_cards[0]?.token ?? null) : null });

/** The ways to pay that this page can go. @param {AbortSignal} signal @returns {Promise<Offered[]>} */
export const loadMethods = async (signal) => (await take(api.GET("/api/v1/payment-methods", { signal }))).items.filter(isUsable);

/**
 * How to pay: what is offered here, and what is chosen of it; null: nothing yet, or nothing at all.
 *
 * @param {boolean} [wanted] false: there is nothing to pay
 * @param {Offered[]} [known] what is offered, where it was asked for before
 */
export function usePayment(wanted = true, known) {
  const offered = useLoad(async (signal) => (wanted ? loadMethods(signal) : []), [wanted], known);
  const [chosen, choose] = useState(/** @type {Payment | null} */ (null));
  const first = offered.data?.[0];
  return { offered, chosen: chosen ?? (first ? firstOf(first) : null), choose };
}

/**
 * Chooses how to pay.
 *
 * @param {{of: ReturnType<typeof usePayment>}} props
 */
export function PaymentChoice({ of: { offered, chosen, choose } }) {
  return html`<fieldset class="payment">
    <legend>${t("How to pay")}</legend>
    <${Loaded} of=${offered}>${(/** @type {Offered[]} */ all) => {
      const now = all.find((one) => one.method === chosen?.method);
      if (!now) return html`<${Note} kind="warn">${t("No way to pay is available at the moment. Your tickets stay held until the time runs out.")}<//>`;
      return html`
        ${all.map((one) => html`<label class="payment-method" key=${one.method}>
          <input type="radio" name="method" value=${one.method} checked=${one === now} onChange=${() => choose(firstOf(one))} />
          <span><b>${methodName(one.method)}</b>${one.flow === "REDIRECT" && html` <span class="muted small">${t("You continue at {name} and come back.", { name: methodName(one.method) })}</span>`}</span>
        </label>`)}
        ${now.flow === "TOKEN" && html`<div class="field">
          <label for="payment-card">${t("Card")}</label>
          <select id="payment-card" name="card" value=${chosen?.token} onChange=${(/** @type {any} */ event) => choose({ method: now.method, token: event.currentTarget.value })}>
            ${now.test_cards.map(({ token, name }) => html`<option value=${token} selected=${token === chosen?.token}>${CARDS[token]?.() ?? name}</option>`)}
          </select>
        </div>`}
        ${now.test && html`<${Note} live=${false}>${t("This box office is connected to a sandbox: the cards are for trying, and no money moves.")}<//>`}
      `;
    }}<//>
  </fieldset>`;
}

const REFUSALS = /** @type {Record<string, () => string>} */ ({
  CARD_DECLINED: () => t("The bank declined the card."),
  INSUFFICIENT_FUNDS: () => t("There was not enough money on the card."),
  CAPTURE_FAILED: () => t("The bank approved the payment, and then did not make it."),
  REFUSED_BY_CUSTOMER: () => t("The payment was refused on the provider's page."),
  PAYMENT_TIMED_OUT: () => t("The payment was not made in time."),
});

/** Why a payment was refused, in words. @param {string | null | undefined} reason */
export const refusalWords = (reason) => REFUSALS[(reason ?? "").toUpperCase()]?.() ?? t("The provider refused the payment.");
