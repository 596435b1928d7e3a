/** Times as inputs of type datetime-local have them: what the clocks of a zone show. */

/** Whether there is such a zone. @param {string} zone */
export function isZone(zone) {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone !== "";
  } catch {
    return false;
  }
}

/** The zone of this device; some browsers still call Nepal's by the name of before 2006. */
export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone.replace("Asia/Katmandu", "Asia/Kathmandu");

/** What a zone's clocks show, e.g. "2027-03-01T19:30". @param {string | number} at @param {string} zone */
export function toLocal(at, zone) {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
  });
  const part = Object.fromEntries(format.formatToParts(new Date(at)).map(({ type, value }) => [type, value]));
  return `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}`;
}

/** The time at which a zone's clocks show this. @param {string} local @param {string} zone */
export function fromLocal(local, zone) {
  const wished = Date.parse(`${local}Z`);
  let at = wished;
  // Twice: where the clocks change, the first guess may have the offset of the other side.
  for (let turn = 0; turn < 2; turn += 1) at += wished - Date.parse(`${toLocal(at, zone)}Z`);
  return new Date(at).toISOString();
}
