/** One event, as its organizer sees it. */
import { useEffect, useRef, useState } from "../../vendor/hooks.js";
import { api } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useLoad } from "../../core/load.js";
import { Problem } from "../../core/problems.js";
import { query as setQuery } from "../../core/router.js";
import { placeOf } from "../../parts/event.js";
import { NotFound } from "../../parts/layout.js";
import { Heading, LinkButton, Loaded, Note, Tabs } from "../../parts/ui.js";
import { Bookings } from "./bookings.js";
import { Blocks } from "./blocks.js";
import { CallOff, Publish } from "./course.js";
import { Coupons } from "./coupons.js";
import { Edit } from "./edit.js";
import { Images } from "./images.js";
import { Messages } from "./messages.js";
import { Overview } from "./overview.js";
import { StatusBadge } from "./status.js";

/** @typedef {import("./status.js").Event} Event */
/** @typedef {{event: Event, etag: string}} Versioned an event, and the version it was read in */

const PUBLISHING_MILLISECONDS = 1500;

/** @param {{params: Record<string, string>, query: URLSearchParams}} props */
export default function OwnEvent({ params, query }) {
  const event_id = params.event_id ?? "";
  const read = useLoad(async (signal) => {
    const { data, response } = await api.GET("/api/v1/events/{event_id}", { params: { path: { event_id } }, signal, cache: "no-store" });
    return /** @type {Versioned} */ ({ event: data, etag: response.headers.get("etag") ?? "" });
  }, [event_id]);
  if (read.data === undefined && read.error instanceof Problem && read.error.status === 404) return html`<${NotFound} />`;
  return html`<${Loaded} of=${read} title=${t("Organize")}>${(/** @type {Versioned} */ versioned) => html`<${Shown} of=${versioned} reload=${read.reload} chosen=${query.get("tab")} />`}<//>`;
}

/** @param {{of: Versioned, reload: () => Promise<void>, chosen: string | null}} props */
function Shown({ of, reload, chosen }) {
  const { event } = of;
  const [told, setTold] = useState("");
  useEffect(() => {
    if (event.status !== "PUBLISHING") return undefined;
    const timer = setTimeout(() => void reload(), PUBLISHING_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [of]);
  const before = useRef(event.status);
  useEffect(() => {
    if (event.status === "PUBLISHED" && before.current !== "PUBLISHED") setTold(t("It is on sale now."));
    before.current = event.status;
  }, [event.status]);
  const changed = async (/** @type {string} */ words) => {
    setTold(words);
    await reload();
  };
  const isDraft = event.status === "DRAFT" || event.status === "PUBLISHING";
  const sold = [
    { id: "overview", label: t("Overview"), show: () => html`<${Overview} event=${event} />` },
    { id: "bookings", label: t("Bookings"), show: () => html`<${Bookings} event=${event} />` },
  ];
  const tabs = [
    ...(isDraft ? [{ id: "publish", label: t("Publish"), show: () => html`<${Publish} event=${event} changed=${changed} />` }] : sold),
    { id: "edit", label: t("Edit"), show: () => html`<${Edit} key=${of.etag} of=${of} reload=${reload} changed=${changed} />` },
    { id: "images", label: t("Pictures"), show: () => html`<${Images} event=${event} reload=${reload} />` },
    { id: "coupons", label: t("Coupons"), show: () => html`<${Coupons} event=${event} />` },
    ...(isDraft ? [] : [
      { id: "blocks", label: t("Blocked seats"), show: () => html`<${Blocks} event=${event} />` },
      { id: "messages", label: t("Messages"), show: () => html`<${Messages} event=${event} />` },
    ]),
    ...(event.status === "PUBLISHED" || event.status === "DRAFT" ? [{ id: "end", label: event.status === "DRAFT" ? t("Delete") : t("Cancel event"), show: () => html`<${CallOff} of=${of} changed=${changed} />` }] : []),
  ];
  return html`
    <${Heading} title=${event.title} actions=${html`
      ${event.status === "PUBLISHED" && html`<${LinkButton} href=${`/door/${event.id}`}>${t("Scan tickets")}<//>`}
      ${event.status !== "DRAFT" && html`<${LinkButton} href=${`/events/${event.id}`}>${t("Public page")}<//>`}
    `} />
    <p><${StatusBadge} of=${event} /> ${format.span(event.starts_at, event.ends_at, event.timezone)} · ${placeOf(event)}</p>
    ${event.cancel_reason && html`<${Note} kind="warn" live=${false}>${t("Cancelled: {reason}", { reason: event.cancel_reason })}<//>`}
    <div role="status">${told && html`<${Note} kind="good" live=${false}>${told}<//>`}</div>
    <${Tabs} label=${t("Sections of this page")} chosen=${chosen} onChoose=${(/** @type {string} */ tab) => {
      setTold("");
      return setQuery({ tab });
    }} tabs=${tabs} />
  `;
}
