/** The one-time code by mail that registering and a new password ask for. */
import { api, newKey, take } from "../../core/api.js";
import { boot } from "../../core/boot.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useLoad } from "../../core/load.js";
import { Note } from "../../parts/ui.js";

/** @param {string} email @param {"REGISTER" | "PASSWORD_RESET"} purpose */
export function sendCode(email, purpose) {
  return take(api.POST("/api/v1/auth/otp", { params: { header: { "Idempotency-Key": newKey() } }, body: { email, purpose } }));
}

/** On a developer's machine no mail leaves the house: here is where to read it. @param {{email: string}} props */
export function LocalMail({ email }) {
  const mails = useLoad(
    async (signal) => {
      if (!boot.local) return [];
      const page = await take(api.GET("/api/v1/dev/mailbox", { params: { query: { to: email, limit: 1 } }, signal }));
      return page.items;
    },
    [email],
  );
  const code = mails.data?.[0]?.body.match(/\b\d{6}\b/)?.[0];
  if (!boot.local) return null;
  return html`<${Note}>
    <p>${t("This is a developer's machine: the mail stays here.")}
      ${code ? html` ${t("Its code:")} <b class="mono" data-code>${code}</b>` : html` <button type="button" class="link" onClick=${mails.reload}>${t("Show the code")}</button>`}
    </p>
  <//>`;
}
