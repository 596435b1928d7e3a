/**
 * The race: so many buyers ask for one seat at the same moment, and one gets it. Only on a developer's
 * machine: each buyer is an account of its own, made with the code that its mail would bring.
 */
import { useRef, useState } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { boot, useAction, useLoad } from "../../core/load.js";
import { Problem, wordsOf } from "../../core/problems.js";
import { NotFound } from "../../parts/layout.js";
import { Badge, Button, Card, Field, Heading, Loaded, Note, Trouble, valuesOf } from "../../parts/ui.js";

const PASSWORD = "a race is run in the open";
const MOST_BUYERS = 20;

/** @typedef {{name: string, token: string}} Buyer */
/** @typedef {{won: boolean, reason: string, words: string, milliseconds: number, hold: string | null}} Verdict */

/** A buyer of this machine: registered with the code of the mail that stays here. @param {number} number @returns {Promise<Buyer>} */
async function newBuyer(number) {
  const email = `racer-${crypto.randomUUID()}@people.example`;
  const { otp_id } = await take(api.POST("/api/v1/auth/otp", { body: { email, purpose: "REGISTER" } }));
  let code;
  for (let tries = 0; !code && tries < 40; tries += 1) {
    const mails = await take(api.GET("/api/v1/dev/mailbox", { params: { query: { to: email, limit: 1 } } }));
    code = mails.items[0]?.body.match(/\b\d{6}\b/)?.[0];
    if (!code) await new Promise((done) => setTimeout(done, 100));
  }
  const name = t("Buyer {number}", { number: format.number(number) });
  await take(api.POST("/api/v1/auth/register", { body: { email, otp: code ?? "", otp_id, name, password: PASSWORD } }));
  const session = await take(api.POST("/api/v1/auth/login", { body: { email, password: PASSWORD } }));
  return { name, token: session.access_token };
}

/** A request of one of the buyers, who are none of this page's own session. @param {Buyer} buyer @param {string} method @param {string} path @param {object} [body] */
async function as(buyer, method, path, body) {
  const response = await fetch(`/api/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${buyer.token}`, ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
    credentials: "omit",
  });
  if (!response.ok) throw await Problem.from(response);
  return response.status === 204 ? null : response.json();
}

/** @param {Buyer} buyer @param {string} eventId @param {string} seatId @returns {Promise<Verdict>} */
async function grab(buyer, eventId, seatId) {
  const began = performance.now();
  const milliseconds = () => performance.now() - began;
  try {
    const hold = await as(buyer, "POST", "/holds", { event_id: eventId, seat_ids: [seatId] });
    return { won: true, reason: "", words: t("Has the seat"), milliseconds: milliseconds(), hold: hold.id };
  } catch (error) {
    const reason = error instanceof Problem ? error.reason : "";
    return { won: false, reason, words: wordsOf(error), milliseconds: milliseconds(), hold: null };
  }
}

/** Seats of the event that nobody has. @param {string} eventId */
async function freeSeats(eventId) {
  const map = await take(api.GET("/api/v1/events/{event_id}/seats", { params: { path: { event_id: eventId } } }));
  const taken = new Set(Object.keys(map.taken));
  return map.sections.flatMap((section) =>
    "rows" in section ? section.rows.flatMap((row) => row.seats.filter((seat) => !taken.has(seat.id)).map((seat) => ({ id: seat.id, name: `${section.name}, ${row.label} ${seat.number}` }))) : [],
  );
}

export default function Race() {
  const events = useLoad(
    async (signal) => (await take(api.GET("/api/v1/events", { params: { query: { limit: 100, status: "PUBLISHED" } }, signal }))).items.filter((event) => event.venue && event.sales.open && (event.availability?.available ?? 0) > 0),
    [],
  );
  const buyers = useRef(/** @type {Buyer[]} */ ([]));
  const [progress, setProgress] = useState("");
  const [seat, setSeat] = useState("");
  const [lanes, setLanes] = useState(/** @type {{name: string, verdict: Verdict | null}[]} */ ([]));
  const [rounds, setRounds] = useState({ run: 0, winners: 0 });
  const race = useAction(async (/** @type {Record<string, string>} */ values) => {
    const count = Math.min(MOST_BUYERS, Math.max(2, Number(values.buyers)));
    const eventId = values.event ?? "";
    while (buyers.current.length < count) {
      setProgress(t("Registering buyer {at} of {all} …", { at: format.number(buyers.current.length + 1), all: format.number(count) }));
      buyers.current.push(await newBuyer(buyers.current.length + 1));
    }
    setProgress("");
    const running = buyers.current.slice(0, count);
    const seats = await freeSeats(eventId);
    const wanted = seats[Math.floor(Math.random() * seats.length)];
    if (!wanted) throw new Problem(409, { reason: "NOT_ENOUGH_CAPACITY" });
    setSeat(wanted.name);
    setLanes(running.map(({ name }) => ({ name, verdict: null })));
    const verdicts = await Promise.all(
      running.map(async (buyer, at) => {
        const verdict = await grab(buyer, eventId, wanted.id);
        setLanes((/** @type {any[]} */ now) => now.map((lane, index) => (index === at ? { ...lane, verdict } : lane)));
        return verdict;
      }),
    );
    setRounds((/** @type {any} */ now) => ({ run: now.run + 1, winners: now.winners + verdicts.filter((one) => one.won).length }));
    // The seat goes back, so that the next round is as fair as this one.
    await Promise.all(verdicts.map((one, at) => one.hold && running[at] && as(running[at], "DELETE", `/holds/${one.hold}`)));
  });
  if (!boot.local) return html`<${NotFound} />`;
  const done = lanes.length > 0 && lanes.every((lane) => lane.verdict);
  const winners = lanes.filter((lane) => lane.verdict?.won).length;
  return html`
    <${Heading} title=${t("Race test")} />
    <p>${t("Many buyers ask for one and the same seat at the same moment. One gets it, everybody else is told so at once.")}</p>
    <${Loaded} of=${events}>
      ${(/** @type {import("../../parts/event.js").Event[]} */ all) => html`<form class="card race-form" onSubmit=${(/** @type {Event} */ event) => race.run(valuesOf(event))}>
        <${Field} label=${t("Event")} name="event" as="select">${all.map((event) => html`<option value=${event.id}>${event.title}</option>`)}<//>
        <${Field} label=${t("Buyers")} name="buyers" type="number" min="2" max=${MOST_BUYERS} defaultValue="10" />
        <${Button} kind="primary" type="submit" busy=${race.busy}>${t("Start")}<//>
      </form>`}
    <//>
    <${Trouble} error=${race.error} />
    ${progress && html`<${Note} live=${true}>${progress}<//>`}
    ${lanes.length > 0 && html`<${Card} title=${t("The seat: {seat}", { seat })}>
      <ol class="lanes">
        ${lanes.map(({ name, verdict }) => html`<li class=${verdict ? (verdict.won ? "won" : "lost") : "running"}>
          <span>${name}</span>
          <span aria-hidden="true" class="lane">${verdict ? (verdict.won ? "🎟" : "✕") : "…"}</span>
          <span>${verdict?.words}</span>
          <span class="number muted">${verdict && t("{time} ms", { time: format.number(verdict.milliseconds, { maximumFractionDigits: 0 }) })}</span>
        </li>`)}
      </ol>
      ${done && html`<p role="status"><${Badge} kind=${winners === 1 ? "good" : "bad"}>${n(winners, "{n} buyer has the seat", "{n} buyers have the seat")}<//> ${t("Rounds: {rounds}, winners: {winners}.", { rounds: format.number(rounds.run), winners: format.number(rounds.winners) })}</p>`}
    <//>`}
  `;
}
