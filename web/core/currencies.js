/**
 * How many digits the minor unit of a currency has. Browsers say what is customary in shops (CLDR);
 * amounts are counted as ISO 4217 has it, as presentation/amounts.py does.
 */

/** Where the two differ. @type {Readonly<Record<string, number>>} */
const ISO = {
  AFN: 2, ALL: 2, COP: 2, HUF: 2, IDR: 2, IQD: 3, IRR: 2, KPW: 2, LAK: 2, LBP: 2,
  MGA: 2, MMK: 2, PKR: 2, SOS: 2, SYP: 2, TMM: 2, YER: 2, ZMK: 2,
};

/** @param {string} currency */
export function minorDigits(currency) {
  const usual = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
  return ISO[currency] ?? usual.maximumFractionDigits ?? 2;
}
