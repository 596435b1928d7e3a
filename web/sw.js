/**
 * The service worker of the door (scope /door): the page and its files come from what was kept, when
 * there is no network. Requests of the API are never answered here.
 */
const CACHE = "parterre-door";
const PATIENCE_MILLISECONDS = 3000;

const worker = /** @type {any} */ (self);

worker.addEventListener("install", () => worker.skipWaiting());
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));

/** A page: the newest, if it comes in time; else as it was kept. @param {Request} request */
async function page(request) {
  const kept = caches.match(request, { ignoreSearch: true, cacheName: CACHE });
  try {
    return await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MILLISECONDS) });
  } catch (error) {
    const found = await kept;
    if (found) return found;
    throw error;
  }
}

/** A file of the page: as it was kept, for its address has its version. @param {Request} request */
async function file(request) {
  return (await caches.match(request, { cacheName: CACHE })) ?? fetch(request);
}

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  const address = new URL(request.url);
  if (request.method !== "GET" || address.origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (address.pathname.startsWith("/assets/")) event.respondWith(file(request));
});
