/** The parts that pages are made of. They look the same everywhere and are usable by keyboard. */
import { useEffect, useId, useRef, useState } from "../vendor/hooks.js";
import * as format from "../core/format.js";
import { html } from "../core/html.js";
import { t } from "../core/i18n.js";
import { Problem, faultOf, wordsOf } from "../core/problems.js";
import { navigate } from "../core/router.js";

/** @typedef {import("preact").ComponentChildren} Children */
/** @typedef {import("../core/format.js").Amount} Amount */
/** @typedef {"good" | "warn" | "bad" | "info"} BadgeKind */

/**
 * Joins class names; what is false is left out.
 *
 * @param {...unknown} names
 */
export const classes = (...names) => names.filter(Boolean).join(" ");

/**
 * @param {{kind?: "primary" | "plain" | "quiet" | "danger", busy?: boolean, children?: Children, class?: string, [attribute: string]: any}} props
 */
export function Button({ kind = "plain", busy = false, children, class: extra, type = "button", ...rest }) {
  return html`<button
    type=${type}
    class=${classes("button", `button-${kind}`, extra)}
    aria-busy=${busy ? "true" : undefined}
    aria-disabled=${busy ? "true" : undefined}
    ...${rest}
  >${busy && html`<${Spinner} small />`}${children}</button>`;
}

/** A link that looks like a button. @param {{href: string, kind?: string, children?: Children, class?: string, [attribute: string]: any}} props */
export function LinkButton({ kind = "plain", children, class: extra, ...rest }) {
  return html`<a class=${classes("button", `button-${kind}`, extra)} ...${rest}>${children}</a>`;
}

/** @param {{small?: boolean, label?: string}} props */
export function Spinner({ small = false, label }) {
  return html`<span class=${classes("spinner", small && "spinner-small")} role=${small ? undefined : "status"}>
    ${!small && html`<span class="visually-hidden">${label ?? t("Loading …")}</span>`}
  </span>`;
}

/**
 * A labelled input, with a hint and what is wrong with it.
 *
 * @param {{label: Children, hint?: Children, error?: unknown, name: string, optional?: boolean,
 *   as?: "input" | "textarea" | "select", children?: Children, class?: string, [attribute: string]: any}} props
 *   error: a problem, whose fault of the field `name` is shown, or a text
 */
export function Field({ label, hint, error, name, optional = false, as = "input", children, class: extra, ...rest }) {
  const id = useId();
  const fault = typeof error === "string" ? error : faultOf(error, name);
  const told = classes(hint && `${id}-hint`, fault && `${id}-fault`);
  return html`<div class=${classes("field", extra)}>
    <label for=${id}>${label}${optional && html` <span class="muted">${t("(optional)")}</span>`}</label>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    <${as}
      id=${id}
      name=${name}
      aria-describedby=${told || undefined}
      aria-invalid=${fault ? "true" : undefined}
      required=${!optional && rest.type !== "checkbox"}
      ...${rest}
    >${children}<//>
    ${fault && html`<p class="fault" id=${`${id}-fault`}>${fault}</p>`}
  </div>`;
}

/** @param {{label: Children, name: string, hint?: Children, [attribute: string]: any}} props */
export function Checkbox({ label, hint, ...rest }) {
  const id = useId();
  return html`<div class="checkbox">
    <input type="checkbox" id=${id} aria-describedby=${hint ? `${id}-hint` : undefined} ...${rest} />
    <label for=${id}>${label}</label>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/**
 * A note: "info", "good", "warn" or "bad". What is bad interrupts who listens.
 *
 * @param {{kind?: "info" | "good" | "warn" | "bad", children?: Children, live?: boolean}} props
 */
export function Note({ kind = "info", children, live = kind !== "info" }) {
  return html`<div class=${classes("note", `note-${kind}`)} role=${live ? (kind === "bad" ? "alert" : "status") : undefined}>${children}</div>`;
}

/**
 * What was refused, in words, with what to do next; nothing if nothing was.
 *
 * @param {{error: unknown, retry?: () => unknown, children?: Children}} props
 */
export function Trouble({ error, retry, children }) {
  if (!error) return null;
  const number = error instanceof Problem && (error.status >= 500 || error.status === 0) ? error.requestId : undefined;
  return html`<${Note} kind="bad">
    <p>${wordsOf(error)}</p>
    ${error instanceof Problem && error.status === 422 && error.errors.length > 0 &&
    html`<ul>${error.errors.map((one) => html`<li>${one.field ? html`<b>${one.field}</b>: ` : ""}${one.message}</li>`)}</ul>`}
    ${children}
    ${retry && html`<p><${Button} onClick=${retry}>${t("Try again")}<//></p>`}
    ${number && html`<p class="muted">${t("Number of the request: {id}", { id: number })}</p>`}
  <//>`;
}

/**
 * What `useLoad` gave: its children show the data.
 *
 * @param {{of: {data: any, error: unknown, loading: boolean, reload: () => unknown}, title?: string, children: (data: any) => Children}} props
 *   title: the page's heading, where the data brings it, until then
 */
export function Loaded({ of: { data, error, reload }, title, children }) {
  const trouble = error && html`<${Trouble} error=${error} retry=${reload} />`;
  if (data !== undefined) return html`${trouble}${children(data)}`;
  return html`${title && html`<h1 class=${error ? "" : "visually-hidden"}>${title}</h1>`}${trouble || html`<${Spinner} />`}`;
}

/**
 * What `usePages` gave, as a list; `children` shows one item.
 *
 * @param {{of: any, children: (item: any, at: number) => Children, empty: Children, class?: string, as?: string}} props
 */
export function Pages({ of, children, empty, class: extra = "list", as = "ul" }) {
  if (of.loading && !of.items.length) return html`<${Spinner} />`;
  return html`
    ${of.error && html`<${Trouble} error=${of.error} retry=${of.reload} />`}
    ${of.items.length ? html`<${as} class=${extra} role=${as === "ul" ? "list" : undefined}>${of.items.map(children)}<//>` : !of.error && html`<${Empty}>${empty}<//>`}
    ${of.loadMore && html`<p class="centred"><${Button} busy=${of.loadingMore} onClick=${of.loadMore}>${t("Show more")}<//></p>`}
  `;
}

/** @param {{children?: Children}} props */
export const Empty = ({ children }) => html`<div class="empty">${children}</div>`;

/** @param {{of: Amount | null | undefined}} props */
export const Money = ({ of }) => html`<span class="money">${of ? format.money(of) : "–"}</span>`;

/** A time, for people and for programs. @param {{at: string, zone?: string, options?: Intl.DateTimeFormatOptions}} props */
export const When = ({ at, zone, options }) => html`<time datetime=${at}>${format.time(at, zone, options)}</time>`;

/** @param {{kind?: "good" | "warn" | "bad" | "info", children?: Children}} props */
export const Badge = ({ kind = "info", children }) => html`<span class=${`badge badge-${kind}`}>${children}</span>`;

/** A frame with a heading. @param {{title?: Children, children?: Children, class?: string, level?: 2 | 3, actions?: Children}} props */
export function Card({ title, children, class: extra, level = 2, actions }) {
  const id = useId();
  return html`<section class=${classes("card", extra)} aria-labelledby=${title ? id : undefined}>
    ${title && html`<div class="card-head"><${`h${level}`} id=${id}>${title}<//>${actions && html`<div class="actions">${actions}</div>`}</div>`}
    ${children}
  </section>`;
}

/**
 * A dialog above the page; Escape and the button close it, and focus comes back.
 *
 * @param {{open: boolean, title: Children, onClose: () => void, children?: Children, wide?: boolean}} props
 */
export function Dialog({ open, title, onClose, children, wide = false }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    if (open && element && !element.open) element.showModal();
    if (!open && element?.open) element.close();
  }, [open]);
  return html`<dialog
    ref=${dialog}
    class=${classes(wide && "wide")}
    aria-labelledby=${id}
    onCancel=${(/** @type {Event} */ event) => {
      event.preventDefault();
      onClose();
    }}
  >
    ${open && html`
      <div class="card-head">
        <h2 id=${id}>${title}</h2>
        <${Button} kind="quiet" onClick=${onClose} aria-label=${t("Close")}>✕<//>
      </div>
      ${children}
    `}
  </dialog>`;
}

/**
 * Asks before something that can't be taken back.
 *
 * @param {{open: boolean, title: Children, children?: Children, yes: Children, no?: Children, danger?: boolean, busy?: boolean, error?: unknown, onYes: () => unknown, onNo: () => void}} props
 */
export function Confirm({ open, title, children, yes, no, danger = false, busy = false, error, onYes, onNo }) {
  return html`<${Dialog} open=${open} title=${title} onClose=${onNo}>
    ${children}
    <${Trouble} error=${error} />
    <div class="actions end">
      <${Button} onClick=${onNo}>${no ?? t("No, go back")}<//>
      <${Button} kind=${danger ? "danger" : "primary"} busy=${busy} onClick=${onYes}>${yes}<//>
    </div>
  <//>`;
}

/**
 * Tabs whose choice is in the address, so that it can be linked to and outlives a reload.
 *
 * @param {{tabs: {id: string, label: Children, show: () => Children}[], chosen: string | null, onChoose: (id: string) => unknown, label: string}} props
 */
export function Tabs({ tabs, chosen, onChoose, label }) {
  const id = useId();
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const at = Math.max(0, tabs.findIndex((tab) => tab.id === chosen));
  const move = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const to = event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1 : step ? (at + step + tabs.length) % tabs.length : -1;
    const tab = tabs[to];
    if (!tab) return;
    event.preventDefault();
    onChoose(tab.id);
    /** @type {HTMLElement | undefined} */ (list.current?.children[to])?.focus();
  };
  const shown = tabs[at];
  return html`
    <div class="tabs" role="tablist" aria-label=${label} ref=${list} onKeyDown=${move}>
      ${tabs.map((tab, index) => html`<button
        type="button"
        role="tab"
        id=${`${id}-${tab.id}`}
        aria-selected=${index === at ? "true" : "false"}
        aria-controls=${`${id}-panel`}
        tabindex=${index === at ? 0 : -1}
        onClick=${() => onChoose(tab.id)}
      >${tab.label}</button>`)}
    </div>
    <div role="tabpanel" id=${`${id}-panel`} aria-labelledby=${shown && `${id}-${shown.id}`} tabindex="0" class="tab-panel">
      ${shown?.show()}
    </div>
  `;
}

/**
 * A number with a button to either side.
 *
 * @param {{value: number, onChange: (value: number) => void, min?: number, max?: number, label: string}} props
 */
export function Stepper({ value, onChange, min = 0, max = 99, label }) {
  const set = (/** @type {number} */ to) => onChange(Math.min(max, Math.max(min, to)));
  return html`<div class="stepper" role="group" aria-label=${label}>
    <button type="button" onClick=${() => set(value - 1)} disabled=${value <= min} aria-label=${t("Fewer")}>−</button>
    <output aria-live="polite">${format.number(value)}</output>
    <button type="button" onClick=${() => set(value + 1)} disabled=${value >= max} aria-label=${t("More")}>+</button>
  </div>`;
}

/** The seconds until a time, each second anew. @param {string | null | undefined} until */
export function useCountdown(until) {
  const left = () => (until ? Math.max(0, (new Date(until).getTime() - Date.now()) / 1000) : 0);
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    const timer = setInterval(() => setSeconds(left()), 1000);
    return () => clearInterval(timer);
  }, [until]);
  return seconds;
}

/** Goes to another page when it appears. @param {{to: string}} props */
export function Redirect({ to }) {
  useEffect(() => void navigate(to, { replace: true }), [to]);
  return null;
}

/** The heading of a page; also the document's title. @param {{children?: Children, title: string, actions?: Children}} props */
export function Heading({ children, title, actions }) {
  useEffect(() => {
    document.title = `${title} · Parterre`;
  }, [title]);
  return html`<div class="page-head"><h1>${children ?? title}</h1>${actions && html`<div class="actions">${actions}</div>`}</div>`;
}

/** The form that was submitted, which the page and not the browser sends. @param {Event} event */
export function formOf(event) {
  event.preventDefault();
  return /** @type {HTMLFormElement} */ (event.currentTarget);
}

/** What a form's fields say, by their names. @param {Event} event @returns {Record<string, string>} */
export function valuesOf(event) {
  return Object.fromEntries([...new FormData(formOf(event))].map(([name, value]) => [name, String(value)]));
}
