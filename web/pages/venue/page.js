/** The designer of a venue: its plan, its sections, their rows. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../vendor/hooks.js";
import { api, intent, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { useAction, useLoad } from "../../core/load.js";
import { Problem } from "../../core/problems.js";
import { may, user } from "../../core/session.js";
import { NotFound } from "../../parts/layout.js";
import { Badge, Button, Card, Confirm, Heading, Loaded, Note, Trouble } from "../../parts/ui.js";
import { Unsaved } from "../../parts/unsaved.js";
import { DetailsForm } from "./details.js";
import { Exchange } from "./exchange.js";
import { NOTHING_YET, alike, changed, forgotten, kindOf, redone, renamed, settled, undone, withoutSteps } from "./history.js";
import { PlanMap } from "./map.js";
import { areasOf, draftOf, layoutBehind, placesOf } from "./plan.js";
import { SectionForm } from "./section.js";

/** @typedef {import("api").components["schemas"]["Venue"]} Venue */
/** @typedef {import("./plan.js").Draft} Draft */
/** @typedef {import("./plan.js").Point} Point */
/** @typedef {import("./history.js").Thing} Thing */
/** @typedef {{venue: Venue, etag: string}} Versioned */

/** Among the sections' ids. */
const STAGE = "stage";

/** @param {{params: Record<string, string>}} props */
export default function VenuePage({ params }) {
  const venue_id = params.venue_id ?? "";
  const read = useLoad(async (signal) => {
    const { data, response } = await api.GET("/api/v1/venues/{venue_id}", { params: { path: { venue_id } }, signal, cache: "no-store" });
    return /** @type {Versioned} */ ({ venue: data, etag: response.headers.get("etag") ?? "" });
  }, [venue_id]);
  if (read.data === undefined && read.error instanceof Problem && read.error.status === 404) return html`<${NotFound} />`;
  return html`<${Loaded} of=${read} title=${t("Venues")}>${(/** @type {Versioned} */ of) => html`<${Designer} of=${of} reload=${read.reload} />`}<//>`;
}

/** What the API takes of a seated section. @param {Draft} draft */
const seatsBody = (draft) => ({ name: draft.name, rows: draft.rows.map(({ label, seats }) => ({ label, seats })), ...draft.layout });

/** And of one where people stand. @param {Draft} draft */
const standingBody = ({ name, capacity, area }) => ({ name, capacity, ...(area && { area }) });

/** What a step of the history did, in words. @param {import("./history.js").Step} step */
function wordsOfStep({ id, before, after }) {
  if (id === STAGE) return t("moving the stage");
  const [old, now] = [before, after].map((thing) => (thing && "kind" in thing ? thing : undefined));
  const name = now?.name || old?.name || t("the new section");
  return {
    added: () => t("adding {name}", { name }),
    discarded: () => t("discarding {name}", { name }),
    changed: () => t("changing {name}", { name }),
    renamed: () => t("renaming {before} to {after}", { before: old?.name || t("the new section"), after: now?.name || "–" }),
    rows: () => t("changing the rows of {name}", { name }),
    layout: () => t("changing the layout of {name}", { name }),
    capacity: () => t("changing the capacity of {name}", { name }),
    moved: () => t("moving {name}", { name }),
    sized: () => t("resizing {name}", { name }),
  }[kindOf(old, now)]();
}

/** Whether a key goes to a field that has a history of its own: another form's, or one whose text is not taken over yet. @param {EventTarget | null} target */
function isWrittenElsewhere(target) {
  if (!(target instanceof Element)) return false;
  if (target.closest("dialog, .plan-add")) return true;
  if (!(target instanceof HTMLInputElement)) return false;
  return !target.closest(".plan-form") || (target.dataset.taken !== undefined && target.dataset.taken !== target.value);
}

/** @param {KeyboardEvent} event @returns {"undo" | "redo" | null} what is asked for; on keyboards without Latin letters by the place of the key */
function askedBy(event) {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return null;
  const letter = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() : event.code.replace(/^Key/, "").toLowerCase();
  if (letter === "z") return event.shiftKey ? "redo" : "undo";
  return letter === "y" && !event.shiftKey ? "redo" : null;
}

/** @param {{of: Versioned, reload: () => Promise<void>}} props */
function Designer({ of, reload }) {
  const { venue, etag } = of;
  const mine = venue.owner_id === user.value?.id || may.administer.value;
  const [chosen, setChosen] = useState(/** @type {string | null} */ (null));
  const [session, setSession] = useState(NOTHING_YET);
  const [told, setTold] = useState("");
  const [toldOfHistory, setToldOfHistory] = useState("");
  const [removing, setRemoving] = useState(false);
  const drafts = useMemo(() => venue.sections.map(draftOf), [venue]);
  const path = { venue_id: venue.id };
  const once = useRef(intent()).current;
  const typing = useRef(/** @type {HTMLInputElement | null} */ (null));
  const made = useRef(0);
  const plan = useRef(/** @type {HTMLDivElement | null} */ (null));
  /** As the API has it. @param {string} id @returns {Thing} */
  const saved = (id) => (id === STAGE ? venue.focal : drafts[venue.sections.findIndex((one) => one.id === id)]);
  const isNew = (/** @type {string} */ id) => saved(id) === undefined;
  const edited = Object.keys(session.edits);
  const draftNow = (/** @type {string} */ id) => /** @type {Draft | undefined} */ (id in session.edits ? session.edits[id] : saved(id));
  const draft = chosen === null ? undefined : draftNow(chosen);
  const stage = STAGE in session.edits ? /** @type {Point | null} */ (session.edits[STAGE]) : venue.focal;

  // What the steps lead back from: what somebody else changes makes those of before it lead astray.
  const known = useRef(/** @type {Map<string, Thing>} */ (new Map()));
  useEffect(() => {
    const now = new Map([[STAGE, /** @type {Thing} */ (venue.focal)], ...venue.sections.map(({ id }, at) => /** @type {[string, Thing]} */ ([id, drafts[at]]))]);
    const others = [...known.current].filter(([id, thing]) => !alike(thing, now.get(id))).map(([id]) => id);
    known.current = now;
    if (others.length) setSession((/** @type {typeof session} */ before) => others.reduce(withoutSteps, before));
  }, [venue]);
  const knows = (/** @type {string} */ id, /** @type {Thing} */ thing) => known.current.set(id, thing);

  /** Saves a section, a new one without an id. @returns its id and the venue's version then; of a new section's nothing is said */
  const put = async (/** @type {Draft} */ of_, /** @type {string | null} */ section_id, /** @type {string} */ version) => {
    if (section_id) {
      const body = of_.kind === "SEATED" ? seatsBody(of_) : { ...standingBody(of_), area: of_.area };
      const { response } = await api.PATCH("/api/v1/venues/{venue_id}/sections/{section_id}", { params: { path: { ...path, section_id }, header: { "If-Match": version } }, body });
      return { id: section_id, version: response.headers.get("etag") ?? "" };
    }
    const body = of_.kind === "SEATED" ? { kind: /** @type {const} */ ("SEATED"), ...seatsBody(of_) } : { kind: /** @type {const} */ ("STANDING"), ...standingBody(of_) };
    const { id } = await once.send(body, (header) => take(api.POST("/api/v1/venues/{venue_id}/sections", { params: { path, header }, body })));
    return { id, version: "" };
  };
  const putStage = async (/** @type {Point | null} */ focal, /** @type {string} */ version) => {
    const { response } = await api.PATCH("/api/v1/venues/{venue_id}", { params: { path, header: { "If-Match": version } }, body: { focal } });
    return response.headers.get("etag") ?? "";
  };
  /** Saves some of what is edited, over the version that was seen, and leaves those sections. */
  const saveAll = async (/** @type {string[]} */ ids) => {
    /** @type {[string, Thing][]} */
    const done = [];
    let version = etag;
    try {
      // A new section is added to any version of the venue, and does not tell the one after it.
      for (const id of [...ids].sort((one, other) => Number(isNew(one)) - Number(isNew(other)))) {
        const thing = session.edits[id];
        let there = id;
        if (id === STAGE) version = await putStage(/** @type {Point | null} */ (thing), version);
        else {
          if (ids.length > 1) setChosen(id); // what is refused is told at its section
          const answer = await put(/** @type {Draft} */ (thing), isNew(id) ? null : id, version);
          version = answer.version || version;
          there = answer.id;
          if (there !== id) {
            setSession((/** @type {typeof session} */ before) => renamed(before, id, answer.id));
            setChosen((/** @type {string | null} */ now) => (now === id ? answer.id : now));
          }
        }
        done.push([there, thing]);
        knows(there, thing);
      }
      setChosen((/** @type {string | null} */ now) => (done.some(([id]) => id === now) ? null : now));
      setTold(t("Saved."));
      setToldOfHistory("");
      typing.current = null;
    } finally {
      if (done.length) {
        await reload();
        setSession((/** @type {typeof session} */ before) => done.reduce((now, [id, thing]) => settled(now, id, thing), before));
      }
    }
  };
  const save = useAction(saveAll);
  const moveStage = useAction(() => saveAll([STAGE]));
  const details = useAction(async (/** @type {import("./details.js").Details} */ body) => {
    await take(api.PATCH("/api/v1/venues/{venue_id}", { params: { path, header: { "If-Match": etag } }, body }));
    setTold(t("Saved."));
    await reload();
  });
  const remove = useAction(async () => {
    const section_id = chosen ?? "";
    await take(api.DELETE("/api/v1/venues/{venue_id}/sections/{section_id}", { params: { path: { ...path, section_id }, header: { "If-Match": etag } } }));
    setRemoving(false);
    setChosen(null);
    setTold(t("The section is deleted."));
    setSession((/** @type {typeof session} */ before) => forgotten(before, section_id));
    await reload();
  });
  const adopt = async (/** @type {Draft[]} */ found) => {
    const ids = new Map(venue.sections.map((section) => [section.name, section.id]));
    const replaced = found.flatMap((one) => (ids.has(one.name) ? [{ id: /** @type {string} */ (ids.get(one.name)), one }] : []));
    /** @type {typeof replaced} */
    const done = [];
    let version = etag;
    try {
      for (const { id, one } of replaced) {
        version = (await put(one, id, version)).version;
        knows(id, one);
        done.push({ id, one });
      }
      for (const one of found.filter(({ name }) => !ids.has(name))) await put(one, null, "");
      setTold(t("The sections are imported."));
    } finally {
      await reload();
      // What was there can be had back.
      setSession((/** @type {typeof session} */ before) => done.reduce((now, { id, one }) => changed(now, { id, before: draftNow(id), after: one }, one, false), before));
    }
  };

  const choose = (/** @type {string} */ id) => {
    if (id === chosen) return;
    setTold("");
    setChosen(id);
    save.clear();
    typing.current = null;
  };
  const edit = (/** @type {string} */ id, /** @type {Thing} */ after, goesOn = false) => {
    setToldOfHistory("");
    setSession((/** @type {typeof session} */ now) => changed(now, { id, before: id in now.edits ? now.edits[id] : saved(id), after }, saved(id), goesOn));
  };
  // What is typed into one field until it is left is one step.
  const change = (/** @type {Draft} */ to, goesOn = false) => {
    const field = document.activeElement instanceof HTMLInputElement ? document.activeElement : null;
    edit(/** @type {string} */ (chosen), to, goesOn || (field !== null && field === typing.current));
    typing.current = field;
  };
  const add = () => {
    const id = `new-${++made.current}`;
    edit(id, { name: "", kind: "SEATED", rows: [], layout: layoutBehind(drawn.map((one) => one.draft)), capacity: 100, area: null });
    choose(id);
  };
  const leave = () => {
    if (chosen !== null && chosen in session.edits) {
      edit(chosen, saved(chosen));
      setToldOfHistory(t("Your changes are discarded. Undo brings them back."));
    }
    setChosen(null);
    save.clear();
  };
  /** One step back or forth, wherever it was. @param {"undo" | "redo"} way */
  const go = (way) => {
    const step = way === "undo" ? session.past.at(-1) : session.future[0];
    if (!step) return;
    typing.current = null;
    const after = way === "undo" ? undone(session, saved) : redone(session, saved);
    setSession(after);
    setTold("");
    if (step.id !== STAGE && step.id !== chosen) save.clear();
    if (step.id !== STAGE) setChosen(step.id in after.edits || !isNew(step.id) ? step.id : null);
    const what = wordsOfStep(step);
    // The count makes two like steps two messages.
    setToldOfHistory(way === "undo" ? n(after.past.length, "Undone: {what}. {n} more step can be undone.", "Undone: {what}. {n} more steps can be undone.", { what }) : n(after.future.length, "Redone: {what}. {n} more step can be redone.", "Redone: {what}. {n} more steps can be redone.", { what }));
  };
  // At once: the next key takes back the step after this one.
  useLayoutEffect(() => {
    if (!mine) return;
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      const way = askedBy(event);
      if (!way || isWrittenElsewhere(event.target)) return;
      event.preventDefault();
      go(way);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });
  // Where a step leads to another section, the form that somebody wrote in is gone: at once, before core/focus.js leads elsewhere.
  useLayoutEffect(() => {
    if (toldOfHistory && document.activeElement === document.body) /** @type {SVGElement | null} */ (plan.current?.querySelector(".chosen"))?.focus();
  }, [chosen]);

  const added = edited.filter((id) => id !== STAGE && isNew(id));
  const drawn = [...venue.sections.map(({ id }) => id), ...added].map((id) => ({ id, draft: /** @type {Draft} */ (draftNow(id)) }));
  const areaOfChosen = areasOf(drawn.map((one) => one.draft), stage)[drawn.findIndex(({ id }) => id === chosen)] ?? null;
  const stale = [save.error, details.error, remove.error, moveStage.error].some((error) => error instanceof Problem && error.status === 412);

  return html`
    <${Unsaved} there=${edited.length > 0} />
    <${Heading} title=${venue.name} actions=${mine && html`<${Button} kind="primary" onClick=${add}>${t("New section")}<//>`} />
    <p class="muted">${venue.address}, ${venue.city} · ${venue.timezone}</p>
    ${!mine && html`<${Note}>${t("This venue belongs to somebody else: you may sell in it, but not change it.")}<//>`}
    <div role="status">${told && html`<${Note} kind="good" live=${false}>${told}<//>`}</div>
    ${stale && html`<${Note} kind="warn"><p>${t("The venue was changed since you opened it. Nothing was overwritten. Reload it: what you changed here stays, and can be saved then.")}</p><p><${Button} onClick=${async () => {
      for (const action of [save, details, remove, moveStage]) action.clear();
      await reload();
    }}>${t("Reload the venue")}<//></p><//>`}
    <div class="columns">
      <div ref=${plan}>
        <${Card} title=${t("Plan")}>
          <${PlanMap} sections=${drawn} focal=${stage} chosen=${chosen} onChoose=${choose} onStage=${mine ? (/** @type {Point} */ to, /** @type {boolean} */ goesOn) => edit(STAGE, to, goesOn) : null} onDraw=${mine ? change : null} />
          ${mine && html`<p class="muted small">${t("Drag a section, the corner of a standing section or the stage, or choose it and use the arrow keys (with Shift: a tenth). Nothing is saved before you press a button that saves it.")}</p>
            <div class="actions" role="group" aria-label=${t("Your changes")}>
              <${Button} onClick=${() => go("undo")} disabled=${!session.past.length} aria-keyshortcuts="Control+Z">${t("Undo")}<//>
              <${Button} onClick=${() => go("redo")} disabled=${!session.future.length} aria-keyshortcuts="Control+Shift+Z Control+Y">${t("Redo")}<//>
              ${edited.length > 1 && html`<${Button} kind="primary" busy=${save.busy} onClick=${() => save.run(edited)}>${t("Save all changes")}<//>`}
            </div>
            <p class="small" role="status">${toldOfHistory}</p>
            ${chosen === null && html`<${Trouble} error=${save.error} />`}`}
          ${STAGE in session.edits && html`<${Trouble} error=${moveStage.error} /><div class="actions">
            <${Button} kind="primary" busy=${moveStage.busy} onClick=${() => moveStage.run()}>${t("Save where the stage is")}<//>
            <${Button} onClick=${() => edit(STAGE, venue.focal)}>${t("Put the stage back")}<//>
          </div>`}
        <//>
        ${mine && draft && chosen !== null && html`<${SectionForm} key=${chosen} draft=${draft} area=${areaOfChosen} isNew=${isNew(chosen)} isDirty=${chosen in session.edits} action=${{ ...save, run: () => save.run([chosen]) }} onChange=${change} onPause=${() => (typing.current = null)} onLeave=${leave} onRemove=${isNew(chosen) ? null : () => setRemoving(true)} />`}
        <${Confirm} open=${removing} danger=${true} title=${t("Delete the section?")} yes=${t("Yes, delete")} busy=${remove.busy} error=${remove.error} onYes=${() => remove.run()} onNo=${() => setRemoving(false)}>
          <p>${t("{name} is gone then, and drafts that sell it lose it. While an event on sale sells it, it can't be deleted.", { name: draft?.name ?? "" })}</p>
        <//>
      </div>
      <div>
        <${Card} title=${t("Sections")}>
          ${drawn.length === 0 && html`<p>${t("No sections yet.")}</p>`}
          <ul class="list" role="list">${drawn.map(({ id, draft: one }) => html`<li key=${id}>
            <button type="button" class="link" aria-pressed=${id === chosen ? "true" : "false"} onClick=${() => choose(id)}>${one.name || t("New section")}</button>
            ${one.kind === "STANDING" && html` <${Badge}>${t("Standing")}<//>`}
            <span class="muted"> · ${n(placesOf(one), "{n} place", "{n} places")}</span>
            ${id in session.edits && html` <${Badge} kind="warn">${t("Not saved")}<//>`}
          </li>`)}</ul>
        <//>
        <${Exchange} name=${venue.name} sections=${venue.sections.map((section) => ({ ...draftOf(section), area: section.area }))} there=${drafts} take=${mine ? adopt : null} />
        ${mine && html`<${DetailsForm} title=${t("The venue")} venue=${venue} yes=${t("Save")} action=${details} />`}
      </div>
    </div>
  `;
}
