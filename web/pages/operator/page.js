/** Operating: how the services are, what is stuck, who has an account, what was done. */
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { query as setQuery } from "../../core/router.js";
import { Heading, Tabs } from "../../parts/ui.js";
import { Audit } from "./audit.js";
import { Bookings } from "./bookings.js";
import { Users } from "./users.js";
import { Vitals } from "./vitals.js";

/** @param {{query: URLSearchParams}} props */
export default function Operator({ query }) {
  return html`
    <${Heading} title=${t("Operations")} />
    <${Tabs}
      label=${t("Operations")}
      chosen=${query.get("tab")}
      onChoose=${(/** @type {string} */ tab) => setQuery({ tab, q: null, action: null })}
      tabs=${[
        { id: "vitals", label: t("Services"), show: () => html`<${Vitals} />` },
        { id: "booking", label: t("One booking"), show: () => html`<${Bookings} reference=${query.get("q") ?? ""} />` },
        { id: "users", label: t("Accounts"), show: () => html`<${Users} words=${query.get("q") ?? ""} />` },
        { id: "audit", label: t("Audit trail"), show: () => html`<${Audit} of=${query.get("q") ?? ""} action=${query.get("action") ?? ""} />` },
      ]}
    />
  `;
}
