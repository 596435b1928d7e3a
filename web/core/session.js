/**
 * Who is logged in. The access token lives in memory; the refresh cookie, which no script reads,
 * brings a new one. Tabs share it: one asks the gateway, under a lock, and tells the others.
 */
import { computed, signal } from "../vendor/signals.js";
import { Problem } from "./problems.js";

/** @typedef {import("api").components["schemas"]["User"]} User */
/** @typedef {{token: string, until: number, user: User}} Session */

// A cookie without any secret: whether it is worth asking for a new token.
const HINT = "parterre_signed_in";
const LOCK = "parterre-refresh";
const ANSWER_MILLISECONDS = 80;
// A token that ends this soon is not used any more.
const LEAST_SECONDS = 20;
const HINT_SECONDS = 30 * 24 * 3600;

/** @type {import("@preact/signals").Signal<Session | null>} */
const session = signal(null);
/** Whether it is known by now who is logged in. */
export const known = signal(false);
/** Whether the session was ended, and not by its person: elsewhere, or by an admin, or by time. */
export const cut = signal(false);
/** Who is logged in; null: nobody. */
export const user = computed(() => session.value?.user ?? null);
/** Whether the user may do what this role may. */
export const may = {
  organize: computed(() => ["ORGANIZER", "ADMIN"].includes(user.value?.role ?? "")),
  administer: computed(() => user.value?.role === "ADMIN"),
};

const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("parterre-session") : null;

channel?.addEventListener("message", ({ data }) => {
  if (data.kind === "ask" && session.value) channel.postMessage({ kind: "is", session: session.value });
  if (data.kind === "is" && data.session.until > (session.value?.until ?? 0)) session.value = data.session;
  if (data.kind === "ended") session.value = null;
});

/** @param {boolean} is */
function hint(is) {
  document.cookie = `${HINT}=1; Path=/; SameSite=Lax; Max-Age=${is ? HINT_SECONDS : 0}`;
}

function isHinted() {
  return document.cookie.split("; ").includes(`${HINT}=1`);
}

/** @param {Session | null} is */
function become(is) {
  session.value = is;
  cut.value = false;
  hint(is !== null);
  channel?.postMessage(is ? { kind: "is", session: is } : { kind: "ended" });
}

/** @param {import("api").components["schemas"]["Session"]} answer */
function sessionOf(answer) {
  return { token: answer.access_token, until: Date.now() + answer.expires_in * 1000, user: answer.user };
}

/** @param {string} path @param {object} [body] */
async function post(path, body) {
  let response;
  try {
    response = await fetch(`/api/v1/auth/${path}`, {
      method: "POST",
      headers: { "X-Requested-With": "parterre", ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw Problem.offline();
  }
  if (!response.ok) throw await Problem.from(response);
  return response;
}

/** @returns {boolean} */
const isFresh = () => session.value !== null && session.value.until - Date.now() > LEAST_SECONDS * 1000;

async function refresh() {
  if (isFresh()) return; // another tab was faster
  try {
    become(sessionOf(await (await post("refresh")).json()));
  } catch (error) {
    if (error instanceof Problem && error.status === 401) cutOff();
    else throw error;
  }
}

/** Runs one thing at a time in all tabs. @param {() => Promise<void>} work */
function alone(work) {
  return navigator.locks ? navigator.locks.request(LOCK, work) : work();
}

/** Finds out who is logged in: from another tab, else from the gateway; again when the network is back. */
async function start() {
  addEventListener("online", () => void resume());
  await resume();
  known.value = true;
}

async function resume() {
  if (isHinted() && !isFresh()) {
    channel?.postMessage({ kind: "ask" });
    if (channel) await new Promise((done) => setTimeout(done, ANSWER_MILLISECONDS));
    if (!isFresh()) await alone(refresh).catch(() => {});
  }
}

/**
 * A token that is good for the next request; null: nobody is logged in.
 *
 * @throws {Problem} OFFLINE or whatever keeps the gateway from answering
 */
export async function accessToken() {
  if (session.value && !isFresh()) await alone(refresh);
  return session.value?.token ?? null;
}

/** @param {string} email @param {string} password @throws {Problem} */
export async function logIn(email, password) {
  become(sessionOf(await (await post("login", { email, password })).json()));
  known.value = true;
}

export async function logOut() {
  const token = await accessToken().catch(() => null);
  try {
    await fetch("/api/v1/auth/logout", { method: "POST", headers: token ? { Authorization: `Bearer ${token}` } : {} });
  } finally {
    become(null);
  }
}

function cutOff() {
  become(null);
  cut.value = true;
}

/** The session was ended elsewhere. */
export function ended() {
  if (session.value) cutOff();
}

/** After the profile was changed. @param {User} user_ */
export function renamed(user_) {
  if (session.value) become({ ...session.value, user: user_ });
}

// Before the rest of the page is there: its document runs this module by itself.
void start();
