/** What the gateway says in the page it serves, before any request. */

/**
 * @typedef {object} Boot
 * @property {string} version of all files of the page
 * @property {boolean} local whether this is a developer's machine
 * @property {import("api").components["schemas"]["Event"]} [event] what the address shows, if an event
 */

const block = document.getElementById("boot");

/** @type {Boot} */
export const boot = { version: "", local: false, ...JSON.parse(block?.textContent || "{}") };
