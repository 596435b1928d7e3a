/** Registering: the address, the code that was mailed to it, then the account. */
import { useState } from "../../vendor/hooks.js";
import { api, newKey, take } from "../../core/api.js";
import { html } from "../../core/html.js";
import { language, t } from "../../core/i18n.js";
import { useAction } from "../../core/load.js";
import { known, logIn, user } from "../../core/session.js";
import { Button, Checkbox, Field, Heading, Note, Redirect, Spinner, Trouble, valuesOf } from "../../parts/ui.js";
import { AskForCode, LocalMail } from "./code.js";
import { nextOf } from "./login.js";

/** @param {{query: URLSearchParams}} props */
export default function Register({ query }) {
  const [sent, setSent] = useState(/** @type {import("./code.js").Sent | null} */ (null));
  if (!known.value) return html`<${Spinner} />`;
  if (user.value) return html`<${Redirect} to=${nextOf(query)} />`;
  return html`<div class="narrow">
    <${Heading} title=${t("Register")} />
    ${sent
      ? html`<${Account} sent=${sent} onAgain=${() => setSent(null)} />`
      : html`<${AskForCode} why=${t("We send a code to your address, to see that it is yours.")} purpose="REGISTER" onSent=${setSent} />`}
    <p>${t("Registered already?")} <a href=${`/login${location.search}`}>${t("Log in")}</a></p>
  </div>`;
}

/** @param {{sent: import("./code.js").Sent, onAgain: () => void}} props */
function Account({ sent, onAgain }) {
  const make = useAction(async (/** @type {Record<string, string>} */ values) => {
    await take(
      api.POST("/api/v1/auth/register", {
        params: { header: { "Idempotency-Key": newKey() } },
        body: {
          ...sent,
          otp: (values.otp ?? "").trim(),
          name: values.name ?? "",
          password: values.password ?? "",
          role: values.organizer ? "ORGANIZER" : "CUSTOMER",
          language: /** @type {any} */ (language.value),
        },
      }),
    );
    await logIn(sent.email, values.password ?? "");
  });
  return html`
    <${Note} kind="good"><p>${t("If {email} has no account yet, a code is on its way. It is valid for a few minutes.", { email: sent.email })}</p><//>
    <${LocalMail} email=${sent.email} />
    <form class="card" onSubmit=${(/** @type {Event} */ event) => make.run(valuesOf(event))}>
      <${Trouble} error=${make.error} />
      <${Field} label=${t("Code from the e-mail")} name="otp" inputmode="numeric" autocomplete="one-time-code" maxlength="20" error=${make.error} />
      <${Field} label=${t("Your name")} name="name" autocomplete="name" maxlength="100" error=${make.error} />
      <${Field} label=${t("Password")} name="password" type="password" autocomplete="new-password" minlength="10" hint=${t("At least 10 characters; four words are good, too.")} error=${make.error} />
      <${Checkbox} label=${t("I organize events")} name="organizer" value="yes" />
      <div class="actions">
        <${Button} kind="primary" type="submit" busy=${make.busy}>${t("Register")}<//>
        <${Button} kind="quiet" onClick=${onAgain}>${t("Another address, or a new code")}<//>
      </div>
    </form>
  `;
}
