/** A new password, by a code that is mailed to the account's address. */
import { useState } from "../../vendor/hooks.js";
import { api, newKey, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { navigate } from "../../core/router.js";
import { Button, Field, Heading, Note, Trouble, valuesOf } from "../../parts/ui.js";
import { AskForCode, LocalMail } from "./code.js";

export default function PasswordReset() {
  const [sent, setSent] = useState(/** @type {import("./code.js").Sent | null} */ (null));
  const set = useAction(async (/** @type {Record<string, string>} */ values) => {
    if (!sent) return;
    await take(
      api.POST("/api/v1/auth/password-reset", {
        params: { header: { "Idempotency-Key": newKey() } },
        body: { ...sent, otp: (values.otp ?? "").trim(), new_password: values.new_password ?? "" },
      }),
    );
    await navigate("/login?done=password", { replace: true });
  });
  return html`<div class="narrow">
    <${Heading} title=${t("Reset your password")} />
    ${sent
      ? html`
          <${Note} kind="good"><p>${t("If {email} has an account, a code is on its way.", { email: sent.email })}</p><//>
          <${LocalMail} email=${sent.email} />
          <form class="card" onSubmit=${(/** @type {Event} */ event) => set.run(valuesOf(event))}>
            <${Trouble} error=${set.error} />
            <${Field} label=${t("Code from the e-mail")} name="otp" inputmode="numeric" autocomplete="one-time-code" maxlength="20" error=${set.error} />
            <${Field} label=${t("New password")} name="new_password" type="password" autocomplete="new-password" minlength="10" hint=${t("You will be logged out everywhere else.")} error=${set.error} />
            <div class="actions">
              <${Button} kind="primary" type="submit" busy=${set.busy}>${t("Set the password")}<//>
              <${Button} kind="quiet" onClick=${() => setSent(null)}>${t("Another address, or a new code")}<//>
            </div>
          </form>`
      : html`<${AskForCode} why=${t("We send a code to the address of your account.")} purpose="PASSWORD_RESET" onSent=${setSent} />`}
  </div>`;
}
