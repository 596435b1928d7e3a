/** What `parterre fsck` found last: whether seats, money and messages are as promised. */
import { useEffect } from "../../vendor/hooks.js";
import { api, take } from "../../core/api.js";
import * as format from "../../core/format.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { useLoad } from "../../core/load.js";
import { Card, Loaded, Note, When } from "../../parts/ui.js";

/** @typedef {import("api").components["schemas"]["Verdict"]} Found */

const REFRESH_MILLISECONDS = 60_000;
// As the alert FsckIsOld has it: it runs every six hours.
const OLD_MILLISECONDS = 26 * 3_600_000;

export function Verdict() {
  const last = useLoad(async (signal) => (await take(api.GET("/api/v1/admin/verdict", { signal }))).verdict, []);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || void last.reload(), REFRESH_MILLISECONDS);
    return () => clearInterval(timer);
  }, []);
  return html`<${Card} title=${t("Consistency")}>
    <${Loaded} of=${last}>${(/** @type {Found | null} */ found) =>
      found
        ? html`<${Shown} of=${found} />`
        : html`<${Note} kind="warn" live=${false}><p>${t("Not checked yet. Run parterre fsck: this page then shows what it found.")}</p><//>`}<//>
  <//>`;
}

/** @param {{of: Found}} props */
function Shown({ of }) {
  const now = Date.now();
  const isOld = now - Date.parse(of.began_at) > OLD_MILLISECONDS;
  const violations = of.findings.reduce((sum, finding) => sum + finding.violations, 0);
  return html`
    ${isOld && html`<${Note} kind="warn" live=${false}><p>${t("This result is old: the check should run every six hours.")}</p><//>`}
    ${of.findings.length
      ? html`<${Note} kind="bad"><p><b>${t("{some} of {all} checks found something wrong: {violations} rows. The command parterre fsck shows the first of them.", { some: format.number(of.findings.length), all: format.number(of.checks), violations: format.number(violations) })}</b></p><//>
        <div class="scroll" tabindex="0" role="region" aria-label=${t("What is wrong")}>
          <table>
            <thead><tr><th scope="col">${t("Check")}</th><th scope="col">${t("What it checks")}</th><th scope="col" class="number">${t("Violations")}</th></tr></thead>
            <tbody>${of.findings.map((finding) => html`<tr key=${finding.title}>
              <td class="mono">${finding.invariant}</td>
              <th scope="row">${finding.title}</th>
              <td class="number">${format.number(finding.violations)}</td>
            </tr>`)}</tbody>
          </table>
        </div>`
      : html`<${Note} kind="good" live=${false}><p><b>${t("Seats and money agree: {checks} checks found nothing wrong.", { checks: format.number(of.checks) })}</b></p><//>`}
    <p class="muted small">${t("Checked {age}", { age: format.relative(of.began_at, now) })} (<${When} at=${of.began_at} />), ${t("in {seconds} s, by version {version}", { seconds: format.number(of.milliseconds / 1000, { maximumFractionDigits: 1 }), version: of.version })}</p>
  `;
}
