/**
 * What names of users and workstations are compared by (SES-7, SES-8): names that look the same are the same, whatever their
 * case, their white space, and whether an accent is a character of its own (Unicode's canonical equivalence).
 */
export function nameKey(name: string): string {
  return name.normalize('NFC').replaceAll(/\s+/g, ' ').trim().toLowerCase();
}

/**
 * Whether a name is written as it is compared, but for its case. Elsewhere one that is not may be another person's than the name
 * that it is compared by, so it stands for nobody here (CWE-1007).
 */
export function isWrittenAsCompared(name: string): boolean {
  return nameKey(name) === name.toLowerCase();
}
