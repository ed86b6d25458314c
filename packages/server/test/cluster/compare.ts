/** Compares what the subscribers of one session were told with each other, and with what was accepted. */
import type { Json } from '../harness.ts';

/** What one subscriber was told. */
export interface Told {
  readonly name: string;
  /** Events in the order of their first arrival. */
  readonly events: readonly Json[];
  /** When it was connected, and what it was sent first. */
  readonly journal: readonly string[];
}

/** How many things are wrong, and which. */
export interface Comparison {
  readonly lost: number;
  readonly reordered: number;
  readonly forked: number;
  readonly differing: number;
  readonly unexplained: number;
  readonly details: readonly string[];
}

/**
 * @param accepted ids of the events that were answered with 202
 * @param tried ids of all that were published, whatever came of it
 */
export function compared(
  followers: readonly Told[],
  accepted: ReadonlySet<string>,
  tried: { has(id: string): boolean },
): Comparison {
  const details: string[] = [];
  const concerned = new Set<Told>();
  const histories = followers.map(({ events }) => events.map(({ id }) => id as string));
  const longest = histories.reduce((a, b) => (b.length > a.length ? b : a), []);
  const inLongest = new Set(longest);
  let [lost, reordered] = [0, 0];
  for (const [index, history] of histories.entries()) {
    const follower = followers[index]!;
    const seen = new Set(history);
    // An event without its 202 may have been accepted all the same, and then everybody got it.
    const missing = [
      ...accepted.difference(seen),
      ...longest.filter((id) => !seen.has(id) && !accepted.has(id) && tried.has(id)),
    ];
    // Who caused a SyncError is not sent it: only what both were sent has an order.
    const both = history.filter((id) => inLongest.has(id));
    const shared = longest.filter((id) => seen.has(id));
    const moved = both.filter((id, i) => shared[i] !== id);
    lost += missing.length;
    reordered += moved.length;
    if (missing.length > 0) details.push(`${follower.name} did not get ${missing.join(', ')}`);
    if (moved.length > 0) details.push(`${follower.name} got in another order: ${moved.join(', ')}`);
    if (missing.length + moved.length > 0) concerned.add(follower);
  }
  const differing = differingVersions(followers);
  for (const [id, told] of differing) {
    details.push(
      `event ${id} was told with different versions: ${[...told].map(([v, who]) => `${v} (${who.map(({ name }) => name).join(', ')})`).join('; ')}`,
    );
    for (const who of told.values()) for (const one of who) concerned.add(one);
  }
  const witness = followers.find(({ events }) => events.length === longest.length);
  const forked = forks(witness?.events ?? []);
  for (const { id, prior, version } of forked) {
    details.push(`${witness?.name} was told of ${id} after ${prior}, and had ${version}`);
  }
  if (witness && forked.length > 0) concerned.add(witness);
  for (const { name, journal } of concerned) details.push(...journal.map((line) => `${name}: ${line}`));
  const unexplained = longest.filter((id) => !tried.has(id)).length;
  return { lost, reordered, forked: forked.length, differing: differing.length, unexplained, details };
}

/** Events that two subscribers were told with different versions. */
function differingVersions(followers: readonly Told[]): [id: string, told: Map<string, Told[]>][] {
  const versions = new Map<string, Map<string, Told[]>>();
  for (const follower of followers) {
    for (const { id, event } of follower.events) {
      const told = `${event['context.versionId']} after ${event['context.priorVersionId']}`;
      const all = versions.get(id) ?? new Map<string, Told[]>();
      versions.set(id, all.set(told, [...(all.get(told) ?? []), follower]));
    }
  }
  return [...versions].filter(([, { size }]) => size > 1);
}

/** Updates that do not follow the version before them. */
function forks(events: readonly Json[]): { id: string; prior: string; version: string }[] {
  let version: string | undefined;
  const forked: { id: string; prior: string; version: string }[] = [];
  for (const { id, event } of events) {
    if (!/^DiagnosticReport-(open|update)$/.test(event['hub.event'])) continue;
    const prior = event['context.priorVersionId'];
    // Of the first one it is not known what came before, where what came before was forgiven.
    if (event['hub.event'] === 'DiagnosticReport-update' && version !== undefined && prior !== version)
      forked.push({ id, prior, version });
    version = event['context.versionId'];
  }
  return forked;
}
