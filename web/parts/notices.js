/** The notices of who is logged in, live: how many are unread. */
import { effect, signal } from "../vendor/signals.js";
import { user } from "../core/session.js";

/** `unread`: how many; `changed`: grows with each change, so that lists load again. */
export const notices = { unread: signal(0), changed: signal(0) };

/** @type {string | null} */
let followed = null;
/** @type {() => void} */
let close = () => {};

effect(() => {
  const id = user.value?.id ?? null;
  if (id === followed) return;
  followed = id;
  close();
  close = () => {};
  notices.unread.value = 0;
  if (id) void begin(id);
});

/** What only who is logged in needs is loaded for them alone. @param {string} id */
async function begin(id) {
  const { followTogether } = await import("../core/stream.js");
  if (id !== followed) return;
  close = followTogether(`parterre-notices-${id}`, "/api/v1/notifications/stream", {
    authenticated: true,
    on(_kind, data) {
      if (typeof data?.unread === "number") notices.unread.value = data.unread;
      notices.changed.value = notices.changed.peek() + 1;
    },
  });
}
