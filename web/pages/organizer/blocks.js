/** Keeps seats back, and lets them go. */
import { useRef, useState } from "../../vendor/hooks.js";
import { api, intent, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { n, t } from "../../core/i18n.js";
import { useAction, useLoad, usePages } from "../../core/load.js";
import { Button, Card, Empty, Field, Loaded, Pages, Trouble, When } from "../../parts/ui.js";

/** @typedef {import("api").components["schemas"]["SeatMap"]} SeatMap */
/** @typedef {import("api").components["schemas"]["SeatedPlaces"]} Seated */
/** @typedef {import("api").components["schemas"]["Block"]} Block */
/** @typedef {import("./status.js").Event} Event */

/** @param {{event: Event}} props */
export function Blocks({ event }) {
  const path = { event_id: event.id };
  const once = useRef(intent()).current;
  const map = useLoad((signal) => take(api.GET("/api/v1/events/{event_id}/seats", { params: { path }, signal })), [event.id]);
  const blocks = usePages((cursor, signal) => take(api.GET("/api/v1/events/{event_id}/blocks", { params: { path, query: { cursor, limit: 50 } }, signal })), [event.id]);
  const changed = () => Promise.all([map.reload(), blocks.reload()]);
  const release = useAction(async (/** @type {string[]} */ seat_ids) => {
    await once.send(seat_ids, (header) => take(api.POST("/api/v1/events/{event_id}/blocks/release", { params: { path, header }, body: { seat_ids } })));
    await changed();
  });
  return html`<${Loaded} of=${map}>${(/** @type {SeatMap} */ seats) => {
    const sections = /** @type {Seated[]} */ (seats.sections.filter((section) => section.kind === "SEATED"));
    if (!sections.length) return html`<${Empty}>${t("This event has no numbered seats.")}<//>`;
    const names = namesOf(sections);
    return html`
      <${Trouble} error=${release.error} />
      <${Pages} of=${blocks} empty=${t("No seats are blocked.")}>
        ${(/** @type {Block} */ block) => html`<li key=${block.id}>
          <p><b>${n(block.seat_ids.length, "{n} seat", "{n} seats")}</b>${block.note && ` · ${block.note}`} <span class="muted small"><${When} at=${block.created_at} zone=${event.timezone} /></span></p>
          <p>${block.seat_ids.map((id) => names.get(id) ?? id).join("; ")}</p>
          <${Button} busy=${release.busy} onClick=${() => release.run(block.seat_ids)}>${t("Unblock them")}<//>
        </li>`}
      <//>
      <${KeepBack} event=${event} sections=${sections} taken=${seats.taken} names=${names} changed=${changed} />
    `;
  }}<//>`;
}

/** Seats in words, by their ids. @param {Seated[]} sections */
function namesOf(sections) {
  /** @type {Map<string, string>} */
  const names = new Map();
  for (const section of sections) {
    for (const row of section.rows) {
      for (const seat of row.seats) names.set(seat.id, t("{section}, row {row}, seat {number}", { section: section.name, row: row.label, number: seat.number }));
    }
  }
  return names;
}

/** @param {{event: Event, sections: Seated[], taken: SeatMap["taken"], names: Map<string, string>, changed: () => unknown}} props */
function KeepBack({ event, sections, taken, names, changed }) {
  const [sectionId, setSectionId] = useState(sections[0]?.id);
  const [label, setLabel] = useState("");
  const [chosen, setChosen] = useState(/** @type {string[]} */ ([]));
  const [note, setNote] = useState("");
  const once = useRef(intent()).current;
  const keep = useAction(async () => {
    const body = { seat_ids: chosen, note: note || null };
    await once.send(body, (header) => take(api.POST("/api/v1/events/{event_id}/blocks", { params: { path: { event_id: event.id }, header }, body })));
    setChosen([]);
    setNote("");
    await changed();
  });
  const section = sections.find((one) => one.id === sectionId) ?? sections[0];
  const row = section?.rows.find((one) => one.label === label) ?? section?.rows[0];
  const gone = new Set(Object.values(taken).flat());
  const free = (row?.seats ?? []).filter((seat) => !gone.has(seat.id));
  const add = (/** @type {string[]} */ ids) => setChosen([...new Set([...chosen, ...ids])]);
  const submit = (/** @type {SubmitEvent} */ submitted) => {
    submitted.preventDefault();
    return keep.run();
  };
  return html`<${Card} title=${t("Block seats")}>
    <form onSubmit=${submit}>
      <div class="row">
        <${Field} as="select" label=${t("Section")} name="section" value=${section?.id} onChange=${(/** @type {any} */ change) => setSectionId(change.currentTarget.value)}>
          ${sections.map((one) => html`<option value=${one.id}>${one.name}</option>`)}
        <//>
        <${Field} as="select" label=${t("Row")} name="row" value=${row?.label} onChange=${(/** @type {any} */ change) => setLabel(change.currentTarget.value)}>
          ${section?.rows.map((one) => html`<option value=${one.label}>${one.label}</option>`)}
        <//>
      </div>
      <fieldset><legend>${t("Free seats of row {row}", { row: row?.label ?? "" })}</legend>
        <div class="seats">${free.map((seat) => html`<label class="seat-choice" key=${seat.id}>
          <input type="checkbox" checked=${chosen.includes(seat.id)} onChange=${(/** @type {any} */ change) => (change.currentTarget.checked ? add([seat.id]) : setChosen(chosen.filter((id) => id !== seat.id)))} />
          ${seat.number}
        </label>`)}</div>
        ${free.length ? html`<${Button} onClick=${() => add(free.map((seat) => seat.id))}>${t("All of this row")}<//>` : html`<p>${t("None of this row is free.")}</p>`}
      </fieldset>
      <p role="status">${chosen.length ? chosen.map((id) => names.get(id) ?? id).join("; ") : t("No seats chosen.")}</p>
      <${Field} label=${t("Note for yourself")} name="note" optional=${true} maxlength="200" value=${note} onInput=${(/** @type {any} */ input) => setNote(input.currentTarget.value)} />
      <${Trouble} error=${keep.error} />
      <${Button} kind="primary" type="submit" busy=${keep.busy} disabled=${!chosen.length}>${t("Block them")}<//>
    </form>
  <//>`;
}
