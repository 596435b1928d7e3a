/**
 * The API, as the page calls it: typed by the API's own description, so that `make web-check`
 * finds a call that does not fit.
 *
 *     const event = await take(api.GET("/api/v1/events/{event_id}", { params: { path: { event_id } } }));
 */
import { Problem } from "./problems.js";
import { accessToken, ended } from "./session.js";

const TRIES = 3;
const MOST_WAIT_SECONDS = 5;
const JITTER_SECONDS = 0.3;

/** @param {number} seconds */
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** A new key for a request that must not happen twice. */
export const newKey = () => crypto.randomUUID();

/**
 * Keys for something that may be tried again: the same request keeps its key until it is done, so that
 * an answer that was lost on the way does not make it happen twice; another request has another.
 */
export function intent() {
  let key = newKey();
  let of = "";
  return {
    /** @param {unknown} request */
    keyOf(request) {
      const text = JSON.stringify(request);
      if (text !== of) {
        key = newKey();
        of = text;
      }
      return key;
    },
    done() {
      of = "";
    },
    /**
     * Sends the request with its key. Once it is answered, done or refused, the next one has another key:
     * a refusal would be answered again under the same.
     *
     * @template T
     * @param {unknown} request
     * @param {(header: {"Idempotency-Key": string}) => Promise<T>} work
     */
    async send(request, work) {
      try {
        const answer = await work({ "Idempotency-Key": this.keyOf(request) });
        this.done();
        return answer;
      } catch (error) {
        if (isRefused(error)) this.done();
        throw error;
      }
    },
  };
}

const LATER = [408, 425, 429];

/** Whether it is known that it was not done, and will not be. @param {unknown} error */
const isRefused = (error) => error instanceof Problem && error.status >= 400 && error.status < 500 && !LATER.includes(error.status) && error.reason !== "IDEMPOTENCY_IN_PROGRESS";

/** What may be sent again when no answer came, or "later". @param {Request} request */
const isRepeatable = (request) => request.method === "GET" || request.headers.has("Idempotency-Key");

/** @param {Request} request */
async function send(request) {
  for (let tried = 1; ; tried += 1) {
    const last = tried === TRIES || !isRepeatable(request);
    try {
      const response = await fetch(last ? request : request.clone());
      const wait = Number(response.headers.get("retry-after"));
      if (last || response.status !== 503 || !(wait <= MOST_WAIT_SECONDS)) return response;
      await pause(wait + Math.random() * JITTER_SECONDS);
    } catch (error) {
      if (request.signal.aborted || last) throw error;
      await pause(tried * 0.5 + Math.random() * JITTER_SECONDS);
    }
  }
}

const AROUND = /** @type {import("openapi-fetch").Middleware} */ ({
  async onRequest({ request, schemaPath }) {
    if (schemaPath.startsWith("/api/v1/auth/") && schemaPath !== "/api/v1/auth/me" && !schemaPath.includes("sessions")) return;
    const token = await accessToken();
    if (token) request.headers.set("Authorization", `Bearer ${token}`);
  },
  async onResponse({ request, response }) {
    if (response.ok || response.status === 304) return;
    if (response.status === 401 && request.headers.has("Authorization")) ended();
    throw await Problem.from(response);
  },
  onError({ error }) {
    if (error instanceof DOMException && error.name === "AbortError") return;
    return error instanceof Problem ? error : Problem.offline();
  },
});

/** @type {Promise<any> | null} */
let client = null;

/** What sends requests. It comes beside the page, which is drawn before: what that begins with is in its document. */
function ready() {
  client ??= import("../vendor/openapi-fetch.js").then(
    ({ default: create }) => {
      const made = /** @type {any} */ (create)({ baseUrl: "", fetch: send });
      made.use(AROUND);
      return made;
    },
    () => {
      client = null; // asked for again with the next request
      throw Problem.offline();
    },
  );
  return client;
}

/** @type {Pick<import("openapi-fetch").Client<import("api").paths>, "GET" | "POST" | "PUT" | "PATCH" | "DELETE">} */
export const api = /** @type {any} */ (Object.fromEntries(
  ["GET", "POST", "PUT", "PATCH", "DELETE"].map((method) => [method, async (/** @type {any[]} */ ...asked) => (await ready())[method](...asked)]),
));

/**
 * The body of an answer.
 *
 * @template T
 * @param {Promise<{data?: T}>} answer
 * @returns {Promise<T>}
 * @throws {Problem}
 */
export async function take(answer) {
  return /** @type {T} */ ((await answer).data);
}

/** A file of the API that needs the user's token, for showing or saving. @param {string} path */
export async function file(path) {
  const token = await accessToken();
  let response;
  try {
    response = await send(new Request(path, { headers: token ? { Authorization: `Bearer ${token}` } : {} }));
  } catch {
    throw Problem.offline();
  }
  if (!response.ok) throw await Problem.from(response);
  return response.blob();
}

/** Saves a file of the API. @param {string} path @param {string} name */
export async function save(path, name) {
  const address = URL.createObjectURL(await file(path));
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
