/** How to pay: the methods by the names people know, and the sandbox's cards. */
import { useState } from "../vendor/hooks.js";
import { html } from "../core/html.js";
import { t } from "../core/i18n.js";
import { Note } from "./ui.js";

/** @typedef {"CARD" | "KHALTI" | "ESEWA"} Method */
/** @typedef {{method: Method, token: string | null}} Payment */

const METHODS = /** @type {Record<Method, () => string>} */ ({
  CARD: () => t("Card"),
  KHALTI: () => "Khalti",
  ESEWA: () => "eSewa",
});

/** @param {Method} method */
export const methodName = (method) => METHODS[method]();

/** The sandbox's cards: each behaves as its name says. */
const CARDS = /** @type {[string, () => string][]} */ ([
  ["tok_ok", () => t("A good card")],
  ["tok_action_required", () => t("A card whose bank asks first")],
  ["tok_declined", () => t("A card that is declined")],
  ["tok_insufficient_funds", () => t("A card without enough money")],
  ["tok_slow", () => t("A card that takes three seconds")],
]);

/** @returns {[Payment, (payment: Payment) => void]} */
export function usePayment() {
  return useState(/** @type {Payment} */ ({ method: "CARD", token: "tok_ok" }));
}

/**
 * Chooses how to pay. The card form is the sandbox provider's: no card number is ever typed here.
 *
 * @param {{value: Payment, onChange: (payment: Payment) => void}} props
 */
export function PaymentChoice({ value, onChange }) {
  const choose = (/** @type {Method} */ method) => onChange({ method, token: method === "CARD" ? "tok_ok" : null });
  return html`<fieldset class="payment">
    <legend>${t("How to pay")}</legend>
    ${/** @type {Method[]} */ (Object.keys(METHODS)).map((method) => html`<label class="payment-method" key=${method}>
      <input type="radio" name="method" value=${method} checked=${value.method === method} onChange=${() => choose(method)} />
      <span><b>${methodName(method)}</b>${method !== "CARD" && html` <span class="muted small">${t("You continue at {name} and come back.", { name: methodName(method) })}</span>`}</span>
    </label>`)}
    ${value.method === "CARD" && html`<div class="field">
      <label for="payment-card">${t("Card")}</label>
      <select id="payment-card" name="card" value=${value.token} onChange=${(/** @type {any} */ event) => onChange({ method: "CARD", token: event.currentTarget.value })}>
        ${CARDS.map(([token, name]) => html`<option value=${token} selected=${token === value.token}>${name()}</option>`)}
      </select>
    </div>`}
    <${Note} live=${false}>${t("This box office is connected to a sandbox: the cards are for trying, and no money moves.")}<//>
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
