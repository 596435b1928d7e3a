/** Every page: its address, its area and its module. gateway/site/pages.py serves the same ones. */

// Asked for together with the page, so that a phone far away does not wait for one round of imports after the other.
const PICKER = ["core/announce", "core/stream", "parts/booking", "parts/file", "parts/hold_timer", ...["hall", "list", "map", "marks", "others", "selection", "view"].map((name) => `pages/picker/${name}`)];

/** @type {import("./core/router.js").Page[]} */
export const PAGES = [
  { path: "/", area: "discover", load: () => import("./pages/discover/page.js") },
  { path: "/events/:event_id", area: "event", load: () => import("./pages/event/page.js") },
  { path: "/events/:event_id/seats", area: "picker", load: () => import("./pages/picker/page.js"), beside: PICKER },
  { path: "/checkout/:hold_id", area: "checkout", role: "CUSTOMER", load: () => import("./pages/checkout/page.js") },
  { path: "/bookings/:reference", area: "booking", role: "CUSTOMER", load: () => import("./pages/booking/page.js") },
  { path: "/tickets", area: "booking", role: "CUSTOMER", load: () => import("./pages/booking/tickets.js") },
  { path: "/login", area: "account", load: () => import("./pages/account/login.js") },
  { path: "/register", area: "account", load: () => import("./pages/account/register.js") },
  { path: "/password-reset", area: "account", load: () => import("./pages/account/password_reset.js") },
  { path: "/account", area: "account", role: "CUSTOMER", load: () => import("./pages/account/page.js") },
  { path: "/notifications", area: "account", role: "CUSTOMER", load: () => import("./pages/account/notifications.js") },
  { path: "/organizer", area: "organizer", role: "ORGANIZER", load: () => import("./pages/organizer/dashboard.js") },
  { path: "/organizer/events/new", area: "organizer", role: "ORGANIZER", load: () => import("./pages/organizer/new_event.js") },
  { path: "/organizer/events/:event_id", area: "organizer", role: "ORGANIZER", load: () => import("./pages/organizer/event.js") },
  { path: "/organizer/venues", area: "venue", role: "ORGANIZER", load: () => import("./pages/venue/list.js") },
  { path: "/organizer/venues/:venue_id", area: "venue", role: "ORGANIZER", load: () => import("./pages/venue/page.js") },
  { path: "/organizer/webhooks", area: "organizer", role: "ORGANIZER", load: () => import("./pages/organizer/webhooks.js") },
  { path: "/organizer/keys", area: "organizer", role: "ORGANIZER", load: () => import("./pages/organizer/keys.js") },
  { path: "/door", area: "door", role: "ORGANIZER", load: () => import("./pages/door/list.js") },
  // Opens without a network, and so without a log-in: what it may do by itself is in door/admit.js.
  { path: "/door/:event_id", area: "door", load: () => import("./pages/door/page.js") },
  { path: "/operator", area: "operator", role: "ADMIN", load: () => import("./pages/operator/page.js") },
  { path: "/race", area: "race", load: () => import("./pages/race/page.js") },
];
