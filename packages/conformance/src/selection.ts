/** Whether one of the patterns, ids or beginnings of ids that end in `*`, is meant by this id. */
export const matches = (id: string, patterns: readonly string[]): boolean =>
  patterns.some((pattern) => (pattern.endsWith('*') ? id.startsWith(pattern.slice(0, -1)) : id === pattern));

/** @throws TypeError for a pattern that means no check at all: a slip of the pen would make a run of nothing */
export function expectKnown(
  option: 'only' | 'except',
  patterns: readonly string[] | undefined,
  checks: readonly { readonly id: string }[],
): void {
  const unknown = patterns?.find((pattern) => !checks.some(({ id }) => matches(id, [pattern])));
  if (unknown !== undefined) throw new TypeError(`${option}: there is no check ${unknown}`);
}
