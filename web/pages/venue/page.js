/** The designer of a venue: its plan, its sections, their rows. */
import { useMemo, useRef, useState } from "../../vendor/hooks.js";
import { api, intent, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { useAction, useLoad } from "../../core/load.js";
import { Problem } from "../../core/problems.js";
import { may, user } from "../../core/session.js";
import { NotFound } from "../../parts/layout.js";
import { Badge, Button, Card, Confirm, Heading, Loaded, Note, Trouble } from "../../parts/ui.js";
import { DetailsForm } from "./details.js";
import { Exchange } from "./exchange.js";
import { PlanMap } from "./map.js";
import { areasOf, draftOf, placesOf, usualLayout, withoutUndrawn } from "./plan.js";
import { SectionForm } from "./section.js";

/** @typedef {import("api").components["schemas"]["Venue"]} Venue */
/** @typedef {import("./plan.js").Draft} Draft */
/** @typedef {{venue: Venue, etag: string}} Versioned */

const NEW = "new";
const MOST_UNDONE = 100;

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

/** And of one where people stand, whose area is sent where it was drawn: else it goes on following the seats. @param {Draft} draft @param {import("./plan.js").Area | null} before */
function standingBody({ name, capacity, area }, before) {
  const isDrawn = area && !(before && area.x === before.x && area.y === before.y && area.width === before.width && area.height === before.height);
  return { name, capacity, ...(isDrawn && { area }) };
}

/** @param {{of: Versioned, reload: () => Promise<void>}} props */
function Designer({ of, reload }) {
  const { venue, etag } = of;
  const mine = venue.owner_id === user.value?.id || may.administer.value;
  const [chosen, setChosen] = useState(/** @type {string | null} */ (null));
  const [draft, setDraft] = useState(/** @type {Draft | null} */ (null));
  const [isDirty, setDirty] = useState(false);
  const [refused, setRefused] = useState(false);
  const [told, setTold] = useState("");
  const [past, setPast] = useState(/** @type {Draft[]} */ ([]));
  const [stage, setStage] = useState(/** @type {import("./plan.js").Point | null} */ (null));
  const [removing, setRemoving] = useState(false);
  const drafts = useMemo(() => withoutUndrawn(venue.sections.map(draftOf), venue.focal), [venue]);
  const path = { venue_id: venue.id };
  const once = useRef(intent()).current;
  const typing = useRef(/** @type {HTMLInputElement | null} */ (null));

  /** Saves a section, a new one without an id. @returns the venue's version then; of a new section's nothing is said */
  const put = async (/** @type {Draft} */ of_, /** @type {string | null} */ section_id, /** @type {string} */ version) => {
    if (section_id) {
      const body = of_.kind === "SEATED" ? seatsBody(of_) : standingBody(of_, venue.sections.find((one) => one.id === section_id)?.area ?? null);
      const { response } = await api.PATCH("/api/v1/venues/{venue_id}/sections/{section_id}", { params: { path: { ...path, section_id }, header: { "If-Match": version } }, body });
      return response.headers.get("etag") ?? "";
    } else {
      const body = of_.kind === "SEATED" ? { kind: /** @type {const} */ ("SEATED"), ...seatsBody(of_) } : { kind: /** @type {const} */ ("STANDING"), ...standingBody(of_, null) };
      await once.send(body, (header) => take(api.POST("/api/v1/venues/{venue_id}/sections", { params: { path, header }, body })));
      return "";
    }
  };
  const leave = () => {
    setChosen(null);
    setDraft(null);
    setDirty(false);
    setRefused(false);
    setPast([]);
  };
  const save = useAction(async () => {
    if (draft) await put(draft, chosen === NEW ? null : chosen, etag);
    leave();
    setTold(t("Saved."));
    await reload();
  });
  const details = useAction(async (/** @type {import("./details.js").Details} */ body) => {
    await take(api.PATCH("/api/v1/venues/{venue_id}", { params: { path, header: { "If-Match": etag } }, body }));
    setTold(t("Saved."));
    await reload();
  });
  const remove = useAction(async () => {
    await take(api.DELETE("/api/v1/venues/{venue_id}/sections/{section_id}", { params: { path: { ...path, section_id: chosen ?? "" }, header: { "If-Match": etag } } }));
    setRemoving(false);
    leave();
    setTold(t("The section is deleted."));
    await reload();
  });
  const moveStage = useAction(async (/** @type {import("./plan.js").Point} */ focal) => {
    await take(api.PATCH("/api/v1/venues/{venue_id}", { params: { path, header: { "If-Match": etag } }, body: { focal } }));
    setStage(null);
    setTold(t("Saved."));
    await reload();
  });
  const adopt = async (/** @type {Draft[]} */ drafts) => {
    const known = new Map(venue.sections.map((section) => [section.name, section.id]));
    let version = etag;
    try {
      for (const one of drafts.filter(({ name }) => known.has(name))) version = await put(one, known.get(one.name) ?? null, version);
      for (const one of drafts.filter(({ name }) => !known.has(name))) await put(one, null, "");
      setTold(t("The sections are imported."));
    } finally {
      await reload();
    }
  };
  /** @param {string} id @returns {boolean} whether it is chosen then */
  const choose = (id) => {
    if (id === chosen) return true;
    setTold("");
    setRefused(isDirty);
    if (isDirty) return false;
    setDraft(drafts[venue.sections.findIndex((one) => one.id === id)] ?? { name: "", kind: "SEATED", rows: [], layout: usualLayout(), capacity: 100, area: null });
    setChosen(id);
    setDirty(id === NEW);
    save.clear();
    return true;
  };
  // What is typed into one field until it is left is one step.
  const change = (/** @type {Draft} */ changed, goesOn = false) => {
    const field = document.activeElement instanceof HTMLInputElement ? document.activeElement : null;
    if (draft && !goesOn && !(field && field === typing.current)) setPast([...past.slice(1 - MOST_UNDONE), draft]);
    typing.current = field;
    setDraft(changed);
    setDirty(true);
  };
  const undo = () => {
    const before = past.at(-1);
    if (!before) return;
    setPast(past.slice(0, -1));
    setDraft(before);
    setDirty(past.length > 1 || chosen === NEW);
  };
  const drawn = venue.sections.map(({ id }, at) => ({ id, draft: (id === chosen && draft) || /** @type {Draft} */ (drafts[at]) }));
  if (chosen === NEW && draft) drawn.push({ id: NEW, draft });
  const areaOfChosen = areasOf(drawn.map((one) => one.draft), venue.focal)[drawn.findIndex(({ id }) => id === chosen)] ?? null;
  const stale = [save.error, details.error, remove.error, moveStage.error].some((error) => error instanceof Problem && error.status === 412);

  return html`
    <${Heading} title=${venue.name} actions=${mine && html`<${Button} kind="primary" onClick=${() => choose(NEW)}>${t("New section")}<//>`} />
    <p class="muted">${venue.address}, ${venue.city} · ${venue.timezone}</p>
    ${!mine && html`<${Note}>${t("This venue belongs to somebody else: you may sell in it, but not change it.")}<//>`}
    <div role="status">${told && html`<${Note} kind="good" live=${false}>${told}<//>`}</div>
    ${refused && html`<${Note} kind="warn">${t("Save or discard the changes of the open section first.")}<//>`}
    ${stale && html`<${Note} kind="warn"><p>${t("The venue was changed since you opened it. Nothing was overwritten. Reload it: what you changed here stays, and can be saved then.")}</p><p><${Button} onClick=${async () => {
      for (const action of [save, details, remove, moveStage]) action.clear();
      await reload();
    }}>${t("Reload the venue")}<//></p><//>`}
    <div class="columns">
      <div>
        <${Card} title=${t("Plan")}>
          <${PlanMap} sections=${drawn} focal=${stage ?? venue.focal} chosen=${chosen} onChoose=${choose} onStage=${mine ? setStage : null} onDraw=${mine ? change : null} />
          ${mine && html`<p class="muted small">${t("Drag a section, the corner of a standing section or the stage, or choose it and use the arrow keys (with Shift: a tenth). What you move is saved by the button below.")}</p>`}
          ${stage && html`<${Trouble} error=${moveStage.error} /><div class="actions">
            <${Button} kind="primary" busy=${moveStage.busy} onClick=${() => moveStage.run(stage)}>${t("Save where the stage is")}<//>
            <${Button} onClick=${() => setStage(null)}>${t("Put the stage back")}<//>
          </div>`}
        <//>
        ${mine && draft && html`<${SectionForm} key=${chosen} draft=${draft} area=${areaOfChosen} isNew=${chosen === NEW} isDirty=${isDirty} action=${save} onChange=${change} onPause=${() => (typing.current = null)} onLeave=${leave} onUndo=${past.length ? undo : null} onRemove=${chosen === NEW ? null : () => setRemoving(true)} />`}
        <${Confirm} open=${removing} danger=${true} title=${t("Delete the section?")} yes=${t("Yes, delete")} busy=${remove.busy} error=${remove.error} onYes=${() => remove.run()} onNo=${() => setRemoving(false)}>
          <p>${t("{name} is gone then, and drafts that sell it lose it. While an event on sale sells it, it can't be deleted.", { name: draft?.name ?? "" })}</p>
        <//>
      </div>
      <div>
        <${Card} title=${t("Sections")}>
          ${venue.sections.length === 0 && html`<p>${t("No sections yet.")}</p>`}
          <ul class="list" role="list">${venue.sections.map((section) => html`<li key=${section.id}>
            <button type="button" class="link" aria-pressed=${section.id === chosen ? "true" : "false"} onClick=${() => choose(section.id)}>${section.name}</button>
            ${section.kind === "STANDING" && html` <${Badge}>${t("Standing")}<//>`}
            <span class="muted"> · ${n(placesOf(draftOf(section)), "{n} place", "{n} places")}</span>
          </li>`)}</ul>
        <//>
        <${Exchange} name=${venue.name} sections=${venue.sections.map(draftOf)} take=${mine ? adopt : null} />
        ${mine && html`<${DetailsForm} title=${t("The venue")} venue=${venue} yes=${t("Save")} action=${details} />`}
      </div>
    </div>
  `;
}
