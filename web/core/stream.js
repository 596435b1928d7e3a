/** Server-sent events by `fetch`: unlike EventSource it sends the user's token. */
import { Problem } from "./problems.js";
import { accessToken } from "./session.js";

const FIRST_WAIT_SECONDS = 1;
const MOST_WAIT_SECONDS = 30;
// Longer than two heartbeats of the gateway.
const SILENCE_SECONDS = 45;

/**
 * @typedef {object} StreamTerms
 * @property {(kind: string, data: any, id: string) => void} on what to do with each event
 * @property {(open: boolean) => void} [state] whether the stream is open
 * @property {boolean} [authenticated] whether the user's token goes along
 */

/**
 * Follows a stream until it is closed; comes back by itself after an interruption.
 *
 * @param {string} path
 * @param {StreamTerms} terms
 * @returns {() => void} closes it
 */
export function follow(path, { on, state = () => {}, authenticated = false }) {
  const closed = new AbortController();
  let last = "";

  async function once() {
    const silence = new AbortController();
    const token = authenticated ? await accessToken() : null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_SECONDS * 1000);
    };
    heard();
    try {
      const response = await fetch(path, {
        headers: {
          Accept: "text/event-stream",
          ...(last && { "Last-Event-ID": last }),
          ...(token && { Authorization: `Bearer ${token}` }),
        },
        cache: "no-store",
        signal: anyOf(closed.signal, silence.signal),
      });
      if (!response.ok || !response.body) throw await Problem.from(response);
      state(true);
      for await (const event of eventsOf(response.body, heard)) {
        if (event.id) last = event.id;
        on(event.kind, event.data ? JSON.parse(event.data) : null, event.id);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  void (async () => {
    let wait = FIRST_WAIT_SECONDS;
    while (!closed.signal.aborted) {
      const began = Date.now();
      let asked = 0;
      try {
        await once();
      } catch (error) {
        if (closed.signal.aborted) return;
        if (error instanceof Problem) {
          if ([401, 403, 404, 409, 410].includes(error.status)) break;
          asked = error.retryAfter ?? 0;
        }
      }
      state(false);
      if (Date.now() - began > MOST_WAIT_SECONDS * 1000) wait = FIRST_WAIT_SECONDS;
      await new Promise((done) => setTimeout(done, Math.max(asked, wait * (0.5 + Math.random())) * 1000));
      wait = Math.min(wait * 2, MOST_WAIT_SECONDS);
    }
    state(false);
  })();

  return () => closed.abort();
}

/**
 * Follows a stream while the page is seen: over HTTP/1.1 a browser has six connections to a host, and
 * a stream in each of six tabs would leave none. Seen again it begins anew, with all that was missed.
 *
 * @param {string} path
 * @param {StreamTerms} terms
 * @returns {() => void} closes it
 */
export function followWhileSeen(path, { state = () => {}, ...terms }) {
  /** @type {(() => void) | null} */
  let close = null;
  const look = () => {
    const isSeen = document.visibilityState === "visible";
    if (isSeen && !close) {
      let isMine = true;
      const end = follow(path, { ...terms, state: (open) => isMine && state(open) });
      close = () => {
        isMine = false;
        end();
      };
    } else if (!isSeen) {
      close?.();
      close = null;
    }
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    close?.();
  };
}

/**
 * Follows a stream once for all tabs of this browser, since a person may have few of them: one tab
 * follows it and tells the others, and when it is closed another goes on. A tab that comes later is
 * told the last event.
 *
 * @param {string} name what all tabs call it
 * @param {string} path
 * @param {StreamTerms} terms `state` is told to the tab that follows
 * @returns {() => void} closes it for this tab
 */
export function followTogether(name, path, terms) {
  if (!navigator.locks || !("BroadcastChannel" in globalThis)) return follow(path, terms);
  const closed = new AbortController();
  const channel = new BroadcastChannel(name);
  const me = crypto.randomUUID();
  /** @type {{kind: string, data: any, id: string} | null} */
  let last = null;
  channel.addEventListener("message", ({ data: { ask, to, event } }) => {
    if (ask && last) channel.postMessage({ to: ask, event: last });
    if (event && (!to || to === me)) terms.on(event.kind, event.data, event.id);
  });
  channel.postMessage({ ask: me });
  const lead = () =>
    new Promise((/** @type {(done?: undefined) => void} */ done) => {
      const close = follow(path, {
        ...terms,
        on(kind, data, id) {
          last = { kind, data, id };
          channel.postMessage({ event: last });
          terms.on(kind, data, id);
        },
      });
      closed.signal.addEventListener("abort", () => {
        close();
        done();
      });
    });
  // Refused with an AbortError where it is closed before its turn.
  navigator.locks.request(name, { signal: closed.signal }, lead).catch(() => {});
  return () => {
    closed.abort();
    channel.close();
  };
}

/** @param {...AbortSignal} signals */
function anyOf(...signals) {
  if ("any" in AbortSignal) return AbortSignal.any(signals);
  const one = new AbortController();
  signals.forEach((signal) => signal.addEventListener("abort", () => one.abort()));
  return one.signal;
}

/**
 * The events of a body (HTML standard, 9.2.6).
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {() => void} heard
 */
export async function* eventsOf(body, heard = () => {}) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let rest = "";
  let kind = "";
  let id = "";
  /** @type {string[]} */
  let data = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    const lines = (rest + value).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length || kind) yield { kind: kind || "message", data: data.join("\n"), id };
        kind = "";
        data = [];
      } else if (!line.startsWith(":")) {
        const colon = line.indexOf(":");
        const field = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "event") kind = text;
        else if (field === "data") data.push(text);
        else if (field === "id") id = text;
      }
    }
  }
}
