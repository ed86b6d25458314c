/** A stretch of time, ms since the epoch, both ends included: what a FHIR date of any precision covers. */
export interface TimeRange {
  readonly low: number;
  readonly high: number;
}

const DATE = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/**
 * Reads a FHIR date, dateTime or instant of any precision. What says nothing about its time zone is taken as UTC.
 * @returns undefined for what is no date, February 30th included
 */
export function parseTime(text: string): TimeRange | undefined {
  const match = DATE.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  const y = Number(year);
  const m = month === undefined ? 0 : Number(month) - 1;
  const d = day === undefined ? 1 : Number(day);
  const millisecond = fraction === undefined ? 0 : Math.floor(Number(`0.${fraction}`) * 1000);
  const start = new Date(0);
  start.setUTCFullYear(y, m, d);
  if (start.getUTCMonth() !== m || start.getUTCDate() !== d) return undefined;
  const h = Number(hour ?? 0);
  const min = Number(minute ?? 0);
  const s = Number(second ?? 0);
  if (h > 23 || min > 59 || s > 59) return undefined;
  start.setUTCHours(h, min, s, millisecond);
  const low = start.getTime() - offset(zone);
  return { low, high: low + span() - 1 };

  function span(): number {
    if (fraction !== undefined) return 1;
    if (second !== undefined) return 1000;
    if (minute !== undefined) return 60_000;
    if (day !== undefined) return 86_400_000;
    const end = new Date(start);
    if (month !== undefined) end.setUTCMonth(m + 1);
    else end.setUTCFullYear(y + 1);
    return end.getTime() - start.getTime();
  }
}

function offset(zone: string | undefined): number {
  if (!zone || zone === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}
