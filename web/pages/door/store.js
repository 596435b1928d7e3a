/** What a door keeps on this device, so that it works without a network: IndexedDB, by event. */

const NAME = "parterre-door";
const VERSION = 1;

/**
 * @typedef {object} Admission
 * @property {string} id also the request's Idempotency-Key
 * @property {string} eventId
 * @property {string} ticketId "" where only the gateway could tell
 * @property {string} token
 * @property {string} gate
 * @property {number} at milliseconds
 * @property {"SENT" | "QUEUED" | "DUPLICATE" | "REFUSED"} state QUEUED: the gateway does not know it yet;
 *   DUPLICATE: admitted here without a network, and elsewhere before; REFUSED: it was no longer good
 * @property {string} [detail] of a duplicate or refusal
 */

/** @type {Promise<IDBDatabase> | null} */
let opened = null;

/** @returns {Promise<IDBDatabase>} */
function open() {
  opened ??= new Promise((done, failed) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore("kept"); // by name: the keys, each event, the gate
      const admissions = database.createObjectStore("admissions", { keyPath: "id" });
      admissions.createIndex("event", "eventId");
    };
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
  return opened;
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const answer = (request) =>
  new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });

/** @param {string} store @param {IDBTransactionMode} mode */
const objects = async (store, mode) => (await open()).transaction(store, mode).objectStore(store);

/** @param {string} name @returns {Promise<any>} */
export const kept = async (name) => answer((await objects("kept", "readonly")).get(name));

/** @param {string} name @param {unknown} value */
export const keep = async (name, value) => answer((await objects("kept", "readwrite")).put(value, name));

/** @param {string} eventId @returns {Promise<Admission[]>} */
export const admissionsOf = async (eventId) => answer((await objects("admissions", "readonly")).index("event").getAll(eventId));

/** @param {Admission} admission */
export const note = async (admission) => answer((await objects("admissions", "readwrite")).put(admission));
