/** How each service is: what waits, what is stuck, what is open. */
import { useEffect } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useLoad } from "../../core/load.js";
import { Badge, Card, Loaded, Note } from "../../parts/ui.js";
import { Verdict } from "./verdict.js";

/** @typedef {import("api").components["schemas"]["ServiceVitals"]} ServiceVitals */
/** @typedef {import("api").components["schemas"]["Figure"]} Figure */

const REFRESH_MILLISECONDS = 15_000;
// As the alert rules have it (deploy/observability): longer than that, and somebody looks.
const LATE_SECONDS = 60;
const STUCK_SECONDS = 900;

/** What is wrong by itself, and what to do; the runbooks say more. @type {{of: (figure: Figure) => boolean, words: () => string, kind: "warn" | "bad"}[]} */
const WORRIES = [
  { of: ({ name, labels, value }) => name === "parterre_queue_messages" && (labels.queue ?? "").endsWith(".dead") && value > 0, words: () => t("There are dead letters: parterre dead-letters"), kind: "bad" },
  { of: ({ name, value }) => name === "parterre_ledger_unbalanced" && value > 0, words: () => t("The ledger does not add up: parterre fsck"), kind: "bad" },
  { of: ({ name, value }) => name === "parterre_alerts_total" && value > 0, words: () => t("The service wanted an operator since it started: see its log"), kind: "warn" },
  { of: ({ name, value }) => name === "parterre_outbox_oldest_seconds" && value > LATE_SECONDS, words: () => t("Messages wait to be published: is the broker there?"), kind: "bad" },
  { of: ({ name, value }) => name === "parterre_provider_breaker_open" && value > 0, words: () => t("A payment provider does not answer: its circuit breaker is open"), kind: "bad" },
  { of: ({ name, value }) => name === "parterre_money_unknown_oldest_seconds" && value > STUCK_SECONDS, words: () => t("The outcome of a payment has been unknown for long: parterre reconcile"), kind: "bad" },
  { of: ({ name, labels, value }) => name === "parterre_saga_oldest_seconds" && labels.state !== "AWAITING_PAYMENT" && labels.state !== "CONFIRMED" && value > STUCK_SECONDS, words: () => t("A booking is stuck in its step"), kind: "bad" },
  { of: ({ name, labels, value }) => name === "parterre_queue_consumers" && !/\.(dead|retry)$/.test(labels.queue ?? "") && value === 0, words: () => t("A queue has no consumer"), kind: "bad" },
  { of: ({ name, value }) => name === "parterre_messages_parked" && value > 0, words: () => t("Messages wait for a newer version of the service"), kind: "warn" },
];

export function Vitals() {
  const vitals = useLoad(async (signal) => (await take(api.GET("/api/v1/admin/vitals", { signal }))).services, []);
  const dashboard = useLoad((signal) => take(api.GET("/api/v1/admin/dashboard", { signal })), []);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.hidden) return;
      void vitals.reload();
      void dashboard.reload();
    }, REFRESH_MILLISECONDS);
    return () => clearInterval(timer);
  }, []);
  return html`
    <${Verdict} />
    <${Loaded} of=${dashboard}>${(/** @type {import("api").components["schemas"]["AdminDashboard"]} */ data) => html`<${Business} of=${data} />`}<//>
    <${Loaded} of=${vitals}>${(/** @type {ServiceVitals[]} */ services) => html`
      <${Worries} services=${services} />
      <${Sagas} services=${services} />
      <div class="grid">${services.map((service) => html`<${Service} of=${service} key=${service.service} />`)}</div>
    `}<//>
  `;
}

/** @param {{of: import("api").components["schemas"]["AdminDashboard"]}} props */
function Business({ of }) {
  /** @param {string} name @param {any} value */
  const figure = (name, value) => html`<div class="figure"><dt>${name}</dt><dd>${value ?? "–"}</dd></div>`;
  const count = (/** @type {number | null | undefined} */ value) => (value === null || value === undefined ? "–" : format.number(value));
  return html`<dl class="figures">
    ${(of.revenue ?? []).map((one) => figure(t("Revenue, {currency}", { currency: one.net.currency }), format.money(one.net)))}
    ${figure(t("Tickets sold"), count(of.tickets))}
    ${figure(t("Events on sale"), count(of.events?.active))}
    ${figure(t("Active holds"), count(of.holds?.holds))}
  </dl>`;
}

/** @param {{services: ServiceVitals[]}} props */
function Worries({ services }) {
  const silent = services.filter((service) => !service.answers);
  const found = services.flatMap((service) =>
    service.figures.flatMap((figure) => WORRIES.filter((worry) => worry.of(figure)).map((worry) => ({ worry, figure, service: service.service }))),
  );
  if (!silent.length && !found.length) return html`<${Note} kind="good" live=${false}>${t("Every service answers, and nothing is stuck.")}<//>`;
  return html`<ul class="worries" role="list">
    ${silent.map((service) => html`<li><${Badge} kind="bad">${service.service}<//> ${t("does not answer")}</li>`)}
    ${found.map(({ worry, figure, service }) => html`<li><${Badge} kind=${worry.kind}>${service}<//> ${worry.words()} <span class="muted small mono">${labelsOf(figure)} ${format.number(figure.value, { maximumFractionDigits: 0 })}</span></li>`)}
  </ul>`;
}

/** @param {Figure} figure */
const labelsOf = (figure) => Object.values(figure.labels).join(" ");

/** Sagas by state and age. @param {{services: ServiceVitals[]}} props */
function Sagas({ services }) {
  const figures = services.find((service) => service.service === "booking")?.figures ?? [];
  const of = (/** @type {string} */ name, /** @type {string} */ state) => figures.find((figure) => figure.name === name && figure.labels.state === state)?.value ?? 0;
  const states = [...new Set(figures.filter((figure) => figure.name === "parterre_sagas_waiting").map((figure) => figure.labels.state ?? ""))];
  if (!states.length) return null;
  return html`<${Card} title=${t("Bookings in progress")}>
    <div class="scroll" tabindex="0">
      <table>
        <thead><tr><th scope="col">${t("State")}</th><th scope="col" class="number">${t("Count")}</th><th scope="col" class="number">${t("Oldest")}</th><th scope="col" class="number">${t("Resent")}</th></tr></thead>
        <tbody>${states.map((state) => html`<tr>
          <th scope="row" class="mono">${state}</th>
          <td class="number">${format.number(of("parterre_sagas_waiting", state))}</td>
          <td class="number">${t("{seconds} s", { seconds: format.number(of("parterre_saga_oldest_seconds", state), { maximumFractionDigits: 0 }) })}</td>
          <td class="number">${format.number(of("parterre_saga_most_resends", state))}</td>
        </tr>`)}</tbody>
      </table>
    </div>
  <//>`;
}

/** @param {{of: ServiceVitals}} props */
function Service({ of }) {
  return html`<${Card} title=${html`${of.service} <${Badge} kind=${of.answers ? "good" : "bad"}>${of.answers ? t("answers") : t("no answer")}<//>`} level=${3}>
    <details>
      <summary>${t("All metrics")}</summary>
      <table>
        <caption class="visually-hidden">${of.service}</caption>
        <tbody>${of.figures.map((figure) => html`<tr><th scope="row" class="mono small">${figure.name.replace("parterre_", "")} ${labelsOf(figure)}</th><td class="number">${format.number(figure.value, { maximumFractionDigits: 1 })}</td></tr>`)}</tbody>
      </table>
    </details>
  <//>`;
}
