/**
 * What was changed in the designer and is not saved yet, and the way back. Everything here is pure: a session is
 * never changed, each of these functions gives another one.
 */

/** @typedef {import("./plan.js").Draft} Draft */
/** @typedef {import("./plan.js").Point} Point */
/** @typedef {Draft | Point | null | undefined} Thing a section; or the stage, null where the venue does not say where; undefined: not there */
/** @typedef {{id: string, before: Thing, after: Thing}} Step */
/** @typedef {Readonly<{edits: Readonly<Record<string, Thing>>, past: readonly Step[], future: readonly Step[]}>} Session edits: what differs from what is saved, by id */

export const MOST_STEPS = 100;

/** @type {Session} */
export const NOTHING_YET = { edits: {}, past: [], future: [] };

/** Whether two states of a section, or of the stage, are the same to whoever saves them. @param {Thing} one @param {Thing} other */
export function alike(one, other) {
  if (one === other) return true;
  if (!one || !other) return false;
  const what = (/** @type {Draft | Point} */ it) => {
    if (!("kind" in it)) return it;
    return it.kind === "SEATED" ? [it.name, it.kind, it.layout, it.rows] : [it.name, it.kind, it.capacity, it.area];
  };
  return JSON.stringify(what(one)) === JSON.stringify(what(other));
}

/** @param {Session["edits"]} edits @param {string} id */
const without = (edits, id) => Object.fromEntries(Object.entries(edits).filter(([other]) => other !== id));

/** @param {Session} session @param {string} id @param {Thing} to @param {Thing} saved @returns {Session["edits"]} */
function edited({ edits }, id, to, saved) {
  const others = without(edits, id);
  return alike(to, saved) ? others : { ...others, [id]: to };
}

/**
 * Something is changed.
 *
 * @param {Session} session
 * @param {Step} step
 * @param {Thing} saved as the API has it
 * @param {boolean} goesOn with the step before, of which it is a part: a drag, or typing
 * @returns {Session}
 */
export function changed(session, step, saved, goesOn) {
  const last = session.past.at(-1);
  const isPart = goesOn && last?.id === step.id;
  const past = isPart ? [...session.past.slice(0, -1), { ...last, after: step.after }] : [...session.past.slice(1 - MOST_STEPS), step];
  return { edits: edited(session, step.id, step.after, saved), past, future: [] };
}

/** The last step is taken back. @param {Session} session @param {(id: string) => Thing} saved as the API has it @returns {Session} */
export function undone(session, saved) {
  const step = session.past.at(-1);
  if (!step) return session;
  return { edits: edited(session, step.id, step.before, saved(step.id)), past: session.past.slice(0, -1), future: [step, ...session.future] };
}

/** What was taken back last is done again. @param {Session} session @param {(id: string) => Thing} saved @returns {Session} */
export function redone(session, saved) {
  const [step, ...future] = session.future;
  if (!step) return session;
  return { edits: edited(session, step.id, step.after, saved(step.id)), past: [...session.past, step], future };
}

/** A new section has its id; that it was added is not taken back any more, as only deleting does that. @param {Session} session @param {string} from @param {string} to @returns {Session} */
export function renamed({ edits, past, future }, from, to) {
  const rename = (/** @type {readonly Step[]} */ steps) => steps.map((step) => (step.id === from ? { ...step, id: to } : step));
  return {
    edits: Object.fromEntries(Object.entries(edits).map(([id, thing]) => [id === from ? to : id, thing])),
    past: rename(past.filter(({ id, before }) => id !== from || before !== undefined)),
    future: rename(future.filter(({ id, after }) => id !== from || after !== undefined)),
  };
}

/** What was saved is no edit any more, unless it went on meanwhile; its steps stay. @param {Session} session @param {string} id @param {Thing} saved @returns {Session} */
export const settled = (session, id, saved) => ({ ...session, edits: id in session.edits ? edited(session, id, session.edits[id], saved) : session.edits });

/** @param {Session} session @param {string} id whose steps lead nowhere any more @returns {Session} with the edit itself */
export const withoutSteps = ({ edits, past, future }, id) => ({ edits, past: past.filter((step) => step.id !== id), future: future.filter((step) => step.id !== id) });

/** Of a section that was deleted nothing is kept. @param {Session} session @param {string} id @returns {Session} */
export function forgotten(session, id) {
  return { ...withoutSteps(session, id), edits: without(session.edits, id) };
}

const FIELDS = /** @type {const} */ (["name", "kind", "rows", "layout", "capacity", "area"]);

/**
 * What a step did to a section: "added" or "discarded" as a whole, else the one thing that is other than before, or "changed"
 * where several are.
 *
 * @param {Draft | undefined} before @param {Draft | undefined} after
 * @returns {"added" | "discarded" | "changed" | "renamed" | "rows" | "layout" | "capacity" | "moved" | "sized"}
 */
export function kindOf(before, after) {
  if (!before) return "added";
  if (!after) return "discarded";
  const others = FIELDS.filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]));
  const [field] = others;
  if (others.length !== 1 || !field || field === "kind") return "changed";
  if (field === "layout") return JSON.stringify({ ...before.layout, origin: after.layout.origin }) === JSON.stringify(after.layout) ? "moved" : "layout";
  if (field === "area") return before.area && after.area && (before.area.width !== after.area.width || before.area.height !== after.area.height) ? "sized" : "moved";
  return field === "name" ? "renamed" : field;
}
