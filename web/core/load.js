/** What came with the document, and what a component loads, and how far that is. */
import { useCallback, useEffect, useRef, useState } from "../vendor/hooks.js";

/** @typedef {import("api").components["schemas"]["Event"]} Event */
/** @typedef {import("api").paths["/api/v1/events"]["get"]["responses"][200]["content"]["application/json"]} EventPage */

/**
 * What the gateway says in the document, before any request; `local`: whether this is a developer's
 * machine, `event`: what the address shows, if an event, `events`: the first ones, where they are listed.
 *
 * @type {{local: boolean, event?: Event, events?: EventPage}}
 */
export const boot = { local: false, ...JSON.parse(document.getElementById("boot")?.textContent || "{}") };

/**
 * Loads something when the component appears and whenever one of `by` changes.
 *
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {readonly unknown[]} by
 * @param {T} [first] shown until then
 * @returns {{data: T | undefined, error: unknown, loading: boolean, reload: () => Promise<void>, set: (data: T) => void}}
 */
export function useLoad(load, by, first) {
  const [state, setState] = useState({ data: first, error: /** @type {unknown} */ (null), loading: first === undefined });
  const current = useRef(/** @type {AbortController | null} */ (null));
  const reload = useCallback(async () => {
    current.current?.abort();
    const mine = new AbortController();
    current.current = mine;
    setState((/** @type {any} */ before) => ({ ...before, loading: true }));
    try {
      const data = await load(mine.signal);
      if (!mine.signal.aborted) setState({ data, error: null, loading: false });
    } catch (error) {
      if (!mine.signal.aborted) setState((/** @type {any} */ before) => ({ ...before, error, loading: false }));
    }
  }, by);
  const skip = useRef(first !== undefined);
  useEffect(() => {
    if (skip.current) skip.current = false;
    else void reload();
    return () => current.current?.abort();
  }, by);
  const set = useCallback((/** @type {T} */ data) => setState({ data, error: null, loading: false }), []);
  return { ...state, reload, set };
}

/**
 * A list that comes page by page.
 *
 * @template T
 * @param {(cursor: string | undefined, signal: AbortSignal) => Promise<{items: T[], next_cursor: string | null}>} load
 * @param {readonly unknown[]} by
 * @param {{items: T[], next_cursor: string | null}} [begun] the first page, shown until then
 */
export function usePages(load, by, begun) {
  const first = useLoad((signal) => load(undefined, signal), by, begun);
  const [more, setMore] = useState({ items: /** @type {T[]} */ ([]), next: /** @type {string | null | undefined} */ (undefined), error: /** @type {unknown} */ (null), loading: false });
  useEffect(() => setMore({ items: [], next: undefined, error: null, loading: false }), [first.data]);
  const next = more.next === undefined ? first.data?.next_cursor : more.next;
  const loadMore = async () => {
    if (!next || more.loading) return;
    setMore({ ...more, loading: true });
    try {
      const page = await load(next, new AbortController().signal);
      setMore({ items: [...more.items, ...page.items], next: page.next_cursor, error: null, loading: false });
    } catch (error) {
      setMore({ ...more, error, loading: false });
    }
  };
  return {
    items: [...(first.data?.items ?? []), ...more.items],
    error: first.error ?? more.error,
    loading: first.loading,
    loadingMore: more.loading,
    loadMore: next ? loadMore : null,
    reload: first.reload,
  };
}

/**
 * Something a person does by a button or a form: once at a time, with what came of it.
 *
 * @template {unknown[]} A
 * @template T
 * @param {(...values: A) => Promise<T>} work
 */
export function useAction(work) {
  const [state, setState] = useState({ busy: false, error: /** @type {unknown} */ (null) });
  const running = useRef(false);
  const run = async (/** @type {A} */ ...values) => {
    if (running.current) return undefined;
    running.current = true;
    setState({ busy: true, error: null });
    try {
      const done = await work(...values);
      setState({ busy: false, error: null });
      return done;
    } catch (error) {
      setState({ busy: false, error });
      return undefined;
    } finally {
      running.current = false;
    }
  };
  return { ...state, run, clear: () => setState({ busy: false, error: null }) };
}
