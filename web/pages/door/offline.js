/** Has the door open without a network, once it was opened with one: web/sw.js serves what is put here. */

export const CACHE = "parterre-door";

/** Keeps this page and all that it has loaded. */
export async function keepPage() {
  if (!("serviceWorker" in navigator) || !("caches" in globalThis)) return;
  await navigator.serviceWorker.register("/sw.js", { scope: "/door", type: "module" });
  const cache = await caches.open(CACHE);
  const loaded = performance
    .getEntriesByType("resource")
    .map((entry) => entry.name)
    .filter((address) => address.startsWith(`${location.origin}/assets/`));
  const wanted = new Set([location.origin + location.pathname, ...loaded, ...[...document.styleSheets].map((sheet) => sheet.href ?? "")]);
  wanted.delete("");
  await Promise.all([...wanted].map((address) => cache.add(address).catch(() => {})));
  // Files of versions before this one are of no more use.
  for (const request of await cache.keys()) {
    if (request.url.includes("/assets/") && !wanted.has(request.url)) await cache.delete(request);
  }
}
