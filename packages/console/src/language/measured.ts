import { FORMATTERS, spoken } from './language.ts';

/** A measured value with every digit that it has, and the decimal sign of people there: `7.125` or `7,125` (HZ-10). */
export function measured(value: number): string {
  const parts = FORMATTERS.formatters.getNumberFormat(spoken.get().locale).formatToParts(0.5);
  return String(value).replace('.', parts.find(({ type }) => type === 'decimal')?.value ?? '.');
}
