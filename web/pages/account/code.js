/** The one-time code by mail that registering and a new password ask for. */
import { useEffect, useState } from "../../vendor/hooks.js";
import { api, newKey, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { boot, useAction, useLoad } from "../../core/load.js";
import { Button, Field, Note, Trouble, valuesOf } from "../../parts/ui.js";

/** A mail is there in a moment, or does not come: none goes to an address that has an account already. */
const AGAIN_MILLISECONDS = 400;
const MOST_TRIES = 20;

/** @typedef {{email: string, otp_id: string}} Sent an address, and which code went to it */

/**
 * Asks for an address, and has a code sent to it.
 *
 * @param {{why: string, purpose: "REGISTER" | "PASSWORD_RESET", onSent: (sent: Sent) => void}} props
 */
export function AskForCode({ why, purpose, onSent }) {
  const ask = useAction(async (/** @type {string} */ email) => {
    const { otp_id } = await take(api.POST("/api/v1/auth/otp", { params: { header: { "Idempotency-Key": newKey() } }, body: { email, purpose } }));
    onSent({ email, otp_id });
  });
  return html`<form class="card" onSubmit=${(/** @type {Event} */ event) => ask.run(valuesOf(event).email ?? "")}>
    <p>${why}</p>
    <${Trouble} error=${ask.error} />
    <${Field} label=${t("E-mail address")} name="email" type="email" autocomplete="email" error=${ask.error} />
    <${Button} kind="primary" type="submit" busy=${ask.busy}>${t("Send the code")}<//>
  </form>`;
}

/** On a developer's machine no mail leaves the house: its code is shown as soon as it is there. @param {{email: string}} props */
export function LocalMail({ email }) {
  const [tries, setTries] = useState(0);
  const mails = useLoad(
    async (signal) => {
      if (!boot.local) return [];
      const page = await take(api.GET("/api/v1/dev/mailbox", { params: { query: { to: email, limit: 1 } }, signal }));
      return page.items;
    },
    [email, tries],
  );
  const code = mails.data?.[0]?.body.match(/\b\d{6}\b/)?.[0];
  useEffect(() => {
    if (!boot.local || mails.loading || code || tries >= MOST_TRIES) return undefined;
    const timer = setTimeout(() => setTries(tries + 1), AGAIN_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [mails.loading, code, tries]);
  if (!boot.local) return null;
  return html`<${Note}>
    <p>${t("This is a developer's machine: the e-mail stays here.")}
      ${code && html` ${t("Its code:")} <b class="mono" data-code>${code}</b>`}
    </p>
  <//>`;
}
