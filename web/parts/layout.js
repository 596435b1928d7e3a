/** What is around every page: header, navigation, footer; and what is shown instead of a page. */
import { useEffect, useState } from "../vendor/hooks.js";
import { Component } from "../vendor/preact.js";
import { html } from "../core/html.js";
import { language, t } from "../core/i18n.js";
import { theme } from "../core/preferences.js";
import { loading, navigate, shown, wayBack } from "../core/router.js";
import { known, logOut, may, user } from "../core/session.js";
import { boot } from "../core/load.js";
import { Button, LinkButton, Redirect, Spinner, Trouble } from "./ui.js";

export function App() {
  return html`
    <a class="skip" href="#main">${t("Skip to the content")}</a>
    <${Header} />
    <main id="main" tabindex="-1" aria-busy=${loading.value ? "true" : undefined}>
      <${Guard}><${Current} /><//>
    </main>
    <${Footer} />
  `;
}

function Current() {
  const now = shown.value;
  if (!now) return html`<${Spinner} />`;
  if (!now.page) return html`<${NotFound} />`;
  if (!now.component) {
    return html`<${Trouble} error=${now.error} retry=${() => location.reload()} />`;
  }
  const role = now.page.role;
  if (role) {
    if (!known.value) return html`<${Spinner} />`;
    if (!user.value) return html`<${Redirect} to=${`/login${wayBack()}`} />`;
    const allowed = role === "CUSTOMER" || (role === "ORGANIZER" ? may.organize.value : may.administer.value);
    if (!allowed) return html`<${Forbidden} role=${role} />`;
  }
  return html`<${now.component} key=${now.page.path + JSON.stringify(now.params)} params=${now.params} query=${now.query} />`;
}

/** Shows what went wrong in a page, instead of nothing. */
class Guard extends Component {
  /** @type {{error: unknown, of: unknown}} */
  state = { error: null, of: null };

  /** @param {unknown} error */
  componentDidCatch(error) {
    console.error(error);
    this.setState({ error, of: shown.peek() });
  }

  /** @param {any} props */
  render({ children }) {
    const now = shown.value;
    return this.state.error && this.state.of === now ? html`<${Trouble} error=${this.state.error} retry=${() => location.reload()} />` : children;
  }
}

export function NotFound() {
  useEffect(() => {
    document.title = `${t("Page not found")} · Parterre`;
  }, []);
  return html`<div class="empty">
    <h1>${t("Page not found")}</h1>
    <p>${t("There is no page at this address. It may be mistyped, or the page was removed.")}</p>
    <p><${LinkButton} href="/" kind="primary">${t("See all events")}<//></p>
  </div>`;
}

/** @param {{role: string}} props */
function Forbidden({ role }) {
  return html`<div class="empty">
    <h1>${t("This account may not see this page")}</h1>
    <p>${t("You are logged in as {name}.", { name: user.value?.name ?? "" })}</p>
    ${role === "ORGANIZER" && html`<p><a href="/account">${t("To organize events, request it in your account.")}</a></p>`}
    <p><${LinkButton} href="/" kind="primary">${t("See all events")}<//></p>
  </div>`;
}

/** @param {{href: string, search?: string, children?: any}} props */
function NavLink({ href, search = "", children }) {
  const here = shown.value && location.pathname;
  const current = here === href || (href !== "/" && here?.startsWith(`${href}/`));
  return html`<a href=${href + search} aria-current=${current ? "page" : undefined}>${children}</a>`;
}

/** How many notices are unread; what counts them comes for those who have any. */
function Unread() {
  const [notices, setNotices] = useState(/** @type {typeof import("./notices.js").notices | null} */ (null));
  useEffect(() => void import("./notices.js").then((module) => setNotices(module.notices), () => {}), []);
  const count = notices?.unread.value ?? 0;
  return count > 0 ? html` <span class="count">${count}</span>` : null;
}

function Header() {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [shown.value]);
  const leave = async () => {
    await logOut();
    await navigate("/", { sure: true });
  };
  return html`<header class="site">
    <a class="brand" href="/"><span class="brand-mark" aria-hidden="true"></span>Parterre</a>
    <${Button} kind="quiet" class="menu-button" aria-expanded=${open ? "true" : "false"} aria-controls="menu" onClick=${() => setOpen(!open)}>
      <span aria-hidden="true">☰</span> ${t("Menu")}
    <//>
    <nav id="menu" class=${open ? "open" : ""} aria-label=${t("Main")}>
      <${NavLink} href="/">${t("Events")}<//>
      ${user.value && html`<${NavLink} href="/tickets">${t("My tickets")}<//>`}
      ${may.organize.value && html`<${NavLink} href="/organizer">${t("Organize")}<//><${NavLink} href="/door">${t("Door")}<//>`}
      ${may.administer.value && html`<${NavLink} href="/operator">${t("Operations")}<//>`}
      ${boot.local && html`<${NavLink} href="/race">${t("Race test")}<//>`}
      <span class="spring"></span>
      ${known.value && (user.value
        ? html`
            <${NavLink} href="/notifications">${t("Notifications")}<${Unread} /><//>
            <${NavLink} href="/account">${user.value.name}<//>
            <${Button} kind="quiet" onClick=${leave}>${t("Log out")}<//>`
        : html`<${NavLink} href="/login" search=${wayBack()}>${t("Log in")}<//><${NavLink} href="/register" search=${wayBack()}>${t("Register")}<//>`)}
    </nav>
  </header>`;
}

function Footer() {
  return html`<footer class="site">
    <p>${t("Parterre sells every seat once.")}</p>
    <div class="choices">
      <label>${t("Language")}
        <select value=${language.value} onChange=${(/** @type {any} */ event) => (language.value = event.currentTarget.value)}>
          <option value="en" lang="en">English</option>
          <option value="ne" lang="ne">नेपाली</option>
        </select>
      </label>
      <label>${t("Colours")}
        <select value=${theme.value} onChange=${(/** @type {any} */ event) => (theme.value = event.currentTarget.value)}>
          <option value="system">${t("As this device")}</option>
          <option value="light">${t("Light")}</option>
          <option value="dark">${t("Dark")}</option>
        </select>
      </label>
    </div>
    ${boot.local && html`<p><a href="/api/docs">${t("API")}</a></p>`}
  </footer>`;
}
