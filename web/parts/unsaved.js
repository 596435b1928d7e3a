/** What somebody typed or drew, and did not save: whoever is about to leave it is asked. */
import { useEffect, useState } from "../vendor/hooks.js";
import { html } from "../core/html.js";
import { t } from "../core/i18n.js";
import { guardBy, navigate } from "../core/router.js";
import { Confirm } from "./ui.js";

/** @param {{there: boolean}} props whether there is anything to lose */
export function Unsaved({ there }) {
  const [wanted, setWanted] = useState(/** @type {string | null} */ (null));
  useEffect(() => {
    if (!there) return;
    const ask = (/** @type {Event} */ event) => event.preventDefault();
    addEventListener("beforeunload", ask);
    const release = guardBy(setWanted);
    return () => {
      removeEventListener("beforeunload", ask);
      release();
    };
  }, [there]);
  return html`<${Confirm} open=${wanted !== null} danger=${true} title=${t("Leave without saving?")} yes=${t("Leave")} no=${t("Stay here")}
    onYes=${() => {
      setWanted(null);
      return navigate(wanted ?? "", { sure: true });
    }} onNo=${() => setWanted(null)}>
    <p>${t("Your changes are not saved, and are lost if you leave.")}</p>
  <//>`;
}
