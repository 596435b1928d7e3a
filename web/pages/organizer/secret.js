/** What is shown once: a key, or the secret of an endpoint. */
import { useState } from "../../vendor/hooks.js";
import { announce } from "../../core/announce.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { Button, Dialog } from "../../parts/ui.js";

/** @param {{title: string, secret: string | null, onClose: () => void}} props secret: null: nothing is shown */
export function Secret({ title, secret, onClose }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(secret ?? "");
      setCopied(true);
      announce(t("Copied."));
    } catch {
      // Then it is marked and copied by hand.
    }
  };
  return html`<${Dialog} open=${secret !== null} title=${title} onClose=${onClose}>
    <p>${t("Keep it secret. It is shown only once; if you lose it, create another one.")}</p>
    <pre class="secret" tabindex="0">${secret}</pre>
    <div class="actions end">
      <${Button} onClick=${copy}>${copied ? t("Copied.") : t("Copy")}<//>
      <${Button} kind="primary" onClick=${onClose}>${t("Done")}<//>
    </div>
  <//>`;
}
