/** Hash over everything that the manifests are made of. */
export function chartHash(): string;
/** The path of Helm; undefined where it is not there. */
export function findHelm(options?: { readonly build?: boolean }): string | undefined;
/** What Helm makes of the chart. @throws with Helm's own words */
export function template(helm: string, values?: readonly string[]): string;
