/** What somebody else changed meanwhile and what was typed here, field by field: nothing of either is lost unasked. */
import { useState } from "../../vendor/hooks.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { categoryName } from "../../parts/event.js";
import { Button, Card, Trouble } from "../../parts/ui.js";
import { changesOf, isSame, saidOf } from "./changes.js";

/** @typedef {import("./status.js").Event} Event */
/** @typedef {import("api").components["schemas"]["EventChange"]} EventChange */

/** What the form calls each field. @type {Record<string, () => string>} */
const NAMES = {
  title: () => t("Title"),
  description: () => t("Description"),
  category: () => t("Category"),
  venue_id: () => t("Venue"),
  location: () => t("Place"),
  timezone: () => t("Time zone"),
  starts_at: () => t("Starts"),
  ends_at: () => t("Ends"),
  doors_at: () => t("Doors open"),
  sales_from: () => t("Sale from"),
  sales_to: () => t("Sale until"),
  currency: () => t("Currency"),
  max_per_customer: () => t("Maximum tickets per person"),
  refund_policy: () => t("Cancellation and refund"),
  tax_percent: () => t("Tax on the prices, percent"),
  terms: () => t("Terms a buyer agrees to"),
  tiers: () => t("Prices"),
};

/** A field's value in words. @param {string} name @param {any} value @param {Event} event of its zone and currency */
function wordsOf(name, value, event) {
  if (value === null || value === undefined || value === "") return t("(empty)");
  if (name === "category") return categoryName(value);
  if (name === "venue_id") return event.venue?.id === value ? (event.venue?.name ?? "") : t("another venue");
  if (name.endsWith("_at") || name.startsWith("sales_")) return format.time(value, event.timezone);
  if (name === "refund_policy") return t("{percent} %, until {hours} hours before", { percent: format.number(value.percent), hours: format.number(value.until_hours_before) });
  if (name === "tiers") {
    return value.map((/** @type {any} */ tier) => `${tier.name}: ${format.money({ amount: tier.price, currency: event.currency })}${tier.capacity ? ` × ${format.number(tier.capacity)}` : ""}`).join("; ");
  }
  return String(value);
}

/**
 * @param {{base: Event, said: EventChange, theirs: Event, busy: boolean, error: unknown, onSave: (changes: EventChange) => unknown, onDrop: () => unknown}} props
 *   base: the event as it was opened; said: what the form says; theirs: the event as it is now
 */
export function Conflict({ base, said, theirs, busy, error, onSave, onDrop }) {
  const [given, setGiven] = useState(/** @type {Set<string>} */ (new Set()));
  const mine = /** @type {Record<string, unknown>} */ (changesOf(base, said));
  const [before, now] = [saidOf(base), saidOf(theirs)];
  const names = Object.keys(NAMES).filter((name) => name in mine || !isSame(before[name], now[name]));
  const isAsked = (/** @type {string} */ name) => name in mine && !isSame(before[name], now[name]) && !isSame(mine[name], now[name]);
  const save = () => onSave(changesOf(theirs, /** @type {EventChange} */ (Object.fromEntries(Object.entries(mine).filter(([name]) => !given.has(name))))));
  const choose = (/** @type {string} */ name, /** @type {boolean} */ isGiven) => {
    const next = new Set(given);
    if (isGiven) next.add(name);
    else next.delete(name);
    setGiven(next);
  };
  return html`<${Card} title=${t("Somebody else changed it, too")}>
    <p>${t("The event was changed since you opened this page, by you elsewhere or by somebody else. Nothing was overwritten, and nothing that you typed is lost. Look at each field, then save.")}</p>
    ${names.map((name) => {
      const theirWords = isSame(before[name], now[name]) ? null : wordsOf(name, now[name], theirs);
      const myWords = name in mine ? wordsOf(name, mine[name], theirs) : null;
      return html`<fieldset key=${name}><legend>${NAMES[name]?.()}</legend>
        ${isAsked(name)
          ? html`
            <label class="choice"><input type="radio" name=${`keep-${name}`} checked=${!given.has(name)} onChange=${() => choose(name, false)} /> <b>${t("Yours:")}</b> <span class="said">${myWords}</span></label>
            <label class="choice"><input type="radio" name=${`keep-${name}`} checked=${given.has(name)} onChange=${() => choose(name, true)} /> <b>${t("Theirs:")}</b> <span class="said">${theirWords}</span></label>`
          : html`<p>${myWords !== null ? html`<b>${t("You changed it to:")}</b> <span class="said">${myWords}</span>` : html`<b>${t("They changed it to:")}</b> <span class="said">${theirWords}</span>`}</p>`}
      </fieldset>`;
    })}
    <${Trouble} error=${error} />
    <div class="actions">
      <${Button} kind="primary" busy=${busy} onClick=${save}>${t("Save this version")}<//>
      <${Button} onClick=${onDrop}>${t("Discard my changes")}<//>
    </div>
  <//>`;
}
