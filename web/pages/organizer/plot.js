/** Figures as bars, with a table behind them for who can't see bars. */
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";

const HEIGHT = 120;
const STEP = 24;
const NARROW_STEP = 8;
const MANY = 40;

/**
 * Figures from left to right.
 *
 * @param {{title: string, of: string, items: {label: string, value: number, told: string}[]}} props
 *   of: what the labels are, as the table's head; told: the value in words
 */
export function Columns({ title, of, items }) {
  const most = Math.max(1, ...items.map((item) => item.value));
  const step = items.length > MANY ? NARROW_STEP : STEP;
  const width = Math.max(items.length, 8) * step;
  return html`<figure class="plot">
    <div class="scroll" tabindex="0" role="region" aria-label=${title}>
      <svg viewBox=${`0 0 ${width} ${HEIGHT + 4}`} width=${width} height=${HEIGHT + 4} aria-hidden="true" class="columns-plot">
        <line x1="0" x2=${width} y1=${HEIGHT} y2=${HEIGHT} />
        ${items.map((item, at) => {
          const height = (item.value / most) * (HEIGHT - 4);
          return html`<rect x=${at * step + step / 8} y=${HEIGHT - height} width=${(step * 3) / 4} height=${height} rx="2"><title>${`${item.label}: ${item.told}`}</title></rect>`;
        })}
      </svg>
    </div>
    <figcaption class="muted small">${items[0]?.label}${items.length > 1 && ` – ${items.at(-1)?.label}`}</figcaption>
    <${Behind} title=${title} of=${of} items=${items} />
  </figure>`;
}

/** Figures one below the other. @param {{title: string, of: string, items: {label: string, value: number, most?: number, told: string}[]}} props */
export function Bars({ title, of, items }) {
  const most = Math.max(1, ...items.map((item) => item.most ?? item.value));
  return html`<figure class="plot">
    ${items.map((item) => html`<div class="bar" aria-hidden="true">
      <span>${item.label}</span><span class="money">${item.told}</span>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" class="bar-line"><rect class="bar-ground" width="100" height="6" /><rect width=${(100 * item.value) / most} height="6" /></svg>
    </div>`)}
    <${Behind} title=${title} of=${of} items=${items} />
  </figure>`;
}

/** @param {{title: string, of: string, items: {label: string, told: string}[]}} props */
function Behind({ title, of, items }) {
  return html`<details><summary>${t("As a table")}</summary>
    <table>
      <caption class="visually-hidden">${title}</caption>
      <thead><tr><th scope="col">${of}</th><th scope="col" class="number">${title}</th></tr></thead>
      <tbody>${items.map((item) => html`<tr key=${item.label}><th scope="row">${item.label}</th><td class="number">${item.told}</td></tr>`)}</tbody>
    </table>
  </details>`;
}
