/** Logging in. */
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { boot, useAction } from "../../core/load.js";
import { Problem } from "../../core/problems.js";
import { match } from "../../core/router.js";
import { cut, known, logIn, user } from "../../core/session.js";
import { Button, Field, Heading, Note, Redirect, Spinner, Trouble, valuesOf } from "../../parts/ui.js";

/**
 * Where somebody goes who has logged in: a page of ours that the address names, else home. What
 * looks like an address of another site leads home.
 *
 * @param {URLSearchParams} query
 */
export function nextOf(query) {
  const next = query.get("next") ?? "";
  let address;
  try {
    address = new URL(next, location.origin);
  } catch {
    return "/";
  }
  const own = next.startsWith("/") && address.origin === location.origin && match(address.pathname);
  return own ? address.pathname + address.search : "/";
}

/** @param {{query: URLSearchParams}} props */
export default function LogIn({ query }) {
  const enter = useAction(async (/** @type {Record<string, string>} */ { email = "", password = "" }) => logIn(email, password));
  if (!known.value) return html`<${Spinner} />`;
  if (user.value) return html`<${Redirect} to=${nextOf(query)} />`;
  const next = query.get("next");
  const along = next ? `?next=${encodeURIComponent(next)}` : "";
  return html`<div class="narrow">
    <${Heading} title=${t("Log in")} />
    ${query.get("done") === "password" && html`<${Note} kind="good">${t("Your new password is set. Log in with it.")}<//>`}
    ${cut.value && html`<${Note} kind="warn">${t("You have been logged out: this device was logged out elsewhere, your account was changed, or your session expired. Log in again to continue.")}<//>`}
    <form class="card" onSubmit=${(/** @type {Event} */ event) => enter.run(valuesOf(event))}>
      <${Trouble} error=${enter.error}>
        ${enter.error instanceof Problem && enter.error.reason === "ACCOUNT_DISABLED" && html`<p>${t("The box office closed this account. Tickets you bought stay valid. Contact the box office if you think this is a mistake.")}</p>`}
      <//>
      <${Field} label=${t("E-mail address")} name="email" type="email" autocomplete="username" error=${enter.error} />
      <${Field} label=${t("Password")} name="password" type="password" autocomplete="current-password" error=${enter.error} />
      <div class="actions">
        <${Button} kind="primary" type="submit" busy=${enter.busy}>${t("Log in")}<//>
        <a href=${`/password-reset${along}`}>${t("Forgot the password?")}</a>
      </div>
    </form>
    <p>${t("No account yet?")} <a href=${`/register${along}`}>${t("Register")}</a></p>
    ${boot.local && html`<${Note}><p>${t("The demo accounts and their passwords are what make up printed; make status prints them again.")}</p><//>`}
  </div>`;
}
