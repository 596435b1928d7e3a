/** The door: scans tickets and lets people in, also without a network. */
import { useCallback, useEffect, useRef, useState } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { Problem, wordsOf } from "../../core/problems.js";
import { wayBack } from "../../core/router.js";
import { known, may, user } from "../../core/session.js";
import { placeName } from "../../parts/booking.js";
import { Badge, Button, Card, Checkbox, Field, Heading, LinkButton, Note, Spinner, Trouble, When, valuesOf } from "../../parts/ui.js";
import { admit, loadKeys, reconcile } from "./admit.js";
import { Guests } from "./guests.js";
import { keepPage } from "./offline.js";
import { Scanner } from "./scanner.js";
import { signalVerdict, sound } from "./signal.js";
import { admissionsOf, keep, kept } from "./store.js";
import { canVerify } from "./ticket.js";

/** @typedef {import("./admit.js").Verdict} Verdict */
/** @typedef {{event: any, tickets: number, admitted: number}} Kept what is known of the event on this device */

const REFRESH_MILLISECONDS = 15_000;
/** The camera sees the same code again and again. */
const SAME_CODE_MILLISECONDS = 4000;
/** Codes that were scanned while another one is checked. */
const MOST_WAITING = 8;
/** Each is shown so long at least, before the next one is. */
const SHOWN_MILLISECONDS = 1000;

/** What is known of the event: from the gateway, else as it was kept. @param {string} id @returns {Promise<{kept: Kept | null, online: boolean, error: unknown}>} */
async function look(id) {
  const name = `event ${id}`;
  try {
    if (!may.organize.value) throw Problem.offline(); // until somebody logs in, as without a network
    const path = { event_id: id };
    const [event, sales] = await Promise.all([
      take(api.GET("/api/v1/events/{event_id}", { params: { path } })),
      take(api.GET("/api/v1/organizer/events/{event_id}/sales", { params: { path } })),
    ]);
    const found = { event, tickets: sales.tickets, admitted: sales.check_ins };
    await keep(name, found);
    return { kept: found, online: true, error: null };
  } catch (error) {
    const found = (await kept(name)) ?? null;
    const offline = !(error instanceof Problem) || error.status === 0 || error.status >= 500;
    return { kept: found, online: false, error: found && offline ? null : error };
  }
}

/** @param {{params: {event_id: string}}} props */
export default function Door({ params }) {
  const id = params.event_id;
  const [state, setState] = useState({ kept: /** @type {Kept | null} */ (null), online: false, error: /** @type {unknown} */ (null), ready: false });
  const [admissions, setAdmissions] = useState(/** @type {import("./store.js").Admission[]} */ ([]));
  const [keys, setKeys] = useState(/** @type {import("./ticket.js").Key[]} */ ([]));
  const [gate, setGate] = useState("");
  const [verifies, setVerifies] = useState(true);
  const isOrganizer = may.organize.value;

  const refresh = useCallback(async () => {
    const found = await look(id);
    if (found.online) await reconcile(id);
    setAdmissions(await admissionsOf(id));
    setState({ ...found, ready: true });
  }, [id]);

  useEffect(() => {
    if (!known.value) return undefined;
    void kept("gate").then((name) => name && setGate(name));
    void loadKeys().then(setKeys);
    void canVerify().then(setVerifies);
    void refresh().then(() => keepPage());
    const timer = setInterval(refresh, REFRESH_MILLISECONDS);
    const online = () => void refresh();
    addEventListener("online", online);
    addEventListener("offline", online);
    return () => {
      clearInterval(timer);
      removeEventListener("online", online);
      removeEventListener("offline", online);
    };
  }, [id, known.value, isOrganizer]);

  if (!state.ready) return html`<${Spinner} />`;
  const { event } = state.kept ?? {};
  if (!event) return html`<${Heading} title=${t("Door")} /><${Trouble} error=${state.error} retry=${refresh} /><${LogIn} />`;
  const queued = admissions.filter((one) => one.state === "QUEUED").length;
  const odd = admissions.filter((one) => one.state === "DUPLICATE" || one.state === "REFUSED");
  return html`
    <${Heading} title=${event.title}>${event.title}<//>
    <p>
      <b class="counter" aria-live="polite">${format.number((state.kept?.admitted ?? 0) + queued)} / ${format.number(state.kept?.tickets ?? 0)}</b> ${t("admitted")}
      ${" "}${state.online ? html`<${Badge} kind="good">${t("Online")}<//>` : html`<${Badge} kind="warn">${t("Offline: tickets are checked by their signature")}<//>`}
      ${queued > 0 && html` <${Badge} kind="warn">${n(queued, "{n} admission is waiting for the network", "{n} admissions are waiting for the network")}<//>`}
    </p>
    ${!user.value && state.ready && html`<${LogIn} />`}
    ${!verifies && html`<${Note} kind="warn">${t("This browser can't check tickets offline. Use a newer one where the network may fail.")}<//>`}
    <${Desk} id=${id} gate=${gate} keys=${keys} online=${state.online} zone=${event.timezone} onDone=${refresh} />
    <${Odd} of=${odd} zone=${event.timezone} />
    <div class="grid">
      <${Card} title=${t("This device")}>
        <${Field} label=${t("Name of the gate")} name="gate" maxlength="50" optional=${true} value=${gate} onInput=${(/** @type {any} */ input) => {
          setGate(input.currentTarget.value);
          void keep("gate", input.currentTarget.value);
        }} />
        <${Checkbox} label=${t("Sound")} name="sound" checked=${sound.value === "on"} onChange=${() => (sound.value = sound.value === "on" ? "off" : "on")} />
      <//>
      ${state.online && html`<${Guests} eventId=${id} />`}
    </div>
  `;
}

function LogIn() {
  if (user.value) return null;
  return html`<${Note} kind="warn"><p>${t("Log in to check tickets online, and to send what was admitted offline.")}</p><p><${LinkButton} href=${`/login${wayBack()}`}>${t("Log in")}<//></p><//>`;
}

/** Where codes come in, and what came of the last one. @param {{id: string, gate: string, keys: import("./ticket.js").Key[], online: boolean, zone: string, onDone: () => unknown}} props */
function Desk({ id, gate, keys, online, zone, onDone }) {
  const [verdict, setVerdict] = useState(/** @type {(Verdict & {number: number}) | null} */ (null));
  const [checking, setChecking] = useState(false);
  const last = useRef({ token: "", at: 0 });
  const waiting = useRef(/** @type {string[]} */ ([])).current;
  const door = useRef({ eventId: id, gate, keys, online });
  door.current = { eventId: id, gate, keys, online };
  // One code after the other; the word for the one before is gone at once, so that nobody takes it for this one's.
  const check = async (/** @type {string} */ text) => {
    const token = text.trim();
    if (!token || waiting.length >= MOST_WAITING || waiting.push(token) > 1) return;
    while (waiting[0]) {
      setChecking(true);
      // Whatever fails, the next one has its turn.
      const found = await admit(waiting[0], door.current).catch((problem) => /** @type {Verdict} */ ({ good: false, result: "REFUSED", ticket: null, problem }));
      last.current = { token: waiting[0], at: Date.now() };
      signalVerdict(found.good);
      setVerdict((before) => ({ ...found, number: (before?.number ?? 0) + 1 }));
      setChecking(false);
      if (found.good) void onDone();
      if (waiting[1]) await new Promise((done) => setTimeout(done, SHOWN_MILLISECONDS));
      waiting.shift();
    }
  };
  const seen = (/** @type {string} */ token) => {
    const same = token === last.current.token && Date.now() - last.current.at < SAME_CODE_MILLISECONDS;
    if (!same && !waiting.length) void check(token);
  };
  const typed = (/** @type {Event} */ event) => {
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const { code } = valuesOf(event);
    form.reset(); // for the next one, who may be scanned before this one is answered
    void check(code ?? "");
  };
  return html`<section class="desk" aria-label=${t("Check a ticket")}>
    <div class=${`verdict ${verdict && !checking ? (verdict.good ? "good" : "bad") : ""}`} role="alert" key=${verdict?.number ?? 0} aria-busy=${checking}>
      ${checking ? html`<p>${t("Checking …")}</p>` : verdict ? html`<${Told} verdict=${verdict} zone=${zone} />` : html`<p>${t("Scan a ticket, or type its code.")}</p>`}
    </div>
    <${Scanner} onCode=${seen} />
    <form class="code-form" onSubmit=${typed}>
      <${Field} label=${t("Code")} name="code" autocomplete="off" spellcheck=${false} maxlength="400" hint=${t("Hand-held scanners type here.")} />
      <${Button} kind="primary" type="submit">${t("Check")}<//>
    </form>
  </section>`;
}

/** @param {{verdict: Verdict, zone: string}} props */
function Told({ verdict, zone }) {
  const { result, ticket } = verdict;
  const place = ticket && html`<p class="verdict-place">${placeName(ticket)}</p>`;
  const name = ticket?.attendee_name && html`<p>${ticket.attendee_name}</p>`;
  const before = verdict.at && html`<p>${t("Admitted")} <${When} at=${verdict.at} zone=${zone} options=${{ timeStyle: "medium", dateStyle: "short" }} />${verdict.gate && `, ${verdict.gate}`}</p>`;
  switch (result) {
    case "ADMITTED":
      return html`<p class="verdict-word"><span aria-hidden="true">✓</span> ${t("Admitted")}</p>${place}${name}`;
    case "ADMITTED_OFFLINE":
      return html`<p class="verdict-word"><span aria-hidden="true">✓</span> ${t("Admitted")}</p><p>${t("Checked by its signature. The admission is sent when the network is back.")}</p>`;
    case "ALREADY_ADMITTED":
      return html`<p class="verdict-word"><span aria-hidden="true">✕</span> ${t("Already admitted")}</p>${place}${name}${before}`;
    case "REVOKED":
      return html`<p class="verdict-word"><span aria-hidden="true">✕</span> ${t("Void")}</p><p>${t("The booking was cancelled.")}</p>${place}`;
    case "WRONG_EVENT":
      return html`<p class="verdict-word"><span aria-hidden="true">✕</span> ${t("Wrong event")}</p><p>${t("The ticket is valid, but for another event.")}</p>`;
    case "INVALID":
      return html`<p class="verdict-word"><span aria-hidden="true">✕</span> ${t("Not a ticket")}</p><p>${t("This code is not one of our tickets, or it was altered.")}</p>`;
    case "REFUSED":
      return html`<p class="verdict-word"><span aria-hidden="true">✕</span> ${t("Can't check")}</p><p>${wordsOf(verdict.problem)}</p>`;
    default:
      return html`<p class="verdict-word"><span aria-hidden="true">?</span> ${t("Can't check")}</p><p>${t("The device is offline and can't check this ticket by itself.")}</p>`;
  }
}

/** Who was let in without a network, and should not have been. @param {{of: import("./store.js").Admission[], zone: string}} props */
function Odd({ of, zone }) {
  if (!of.length) return null;
  return html`<${Card} title=${t("Needs attention")}>
    <p>${t("These were admitted here offline, and were refused when the network came back.")}</p>
    <ul>
      ${of.map((one) => html`<li key=${one.id}>
        <${When} at=${new Date(one.at).toISOString()} zone=${zone} options=${{ timeStyle: "medium" }} />:
        ${one.state === "DUPLICATE" ? t("already admitted elsewhere") : t("no longer valid")} <span class="mono small">${one.ticketId} ${one.detail}</span>
      </li>`)}
    </ul>
  <//>`;
}
