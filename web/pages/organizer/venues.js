/** The venues that an event may be at. */
import { api, take } from "../../core/api.js";

const MOST_PAGES = 10;

/** All venues, without their sections; of very many the first thousand. @param {AbortSignal} signal */
export async function allVenues(signal) {
  /** @type {import("api").components["schemas"]["Venue"][]} */
  const venues = [];
  /** @type {string | undefined} */
  let cursor;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { items, next_cursor } = await take(api.GET("/api/v1/venues", { params: { query: { limit: 100, cursor } }, signal }));
    venues.push(...items);
    if (!next_cursor) break;
    cursor = next_cursor;
  }
  return venues.sort((a, b) => a.name.localeCompare(b.name));
}
