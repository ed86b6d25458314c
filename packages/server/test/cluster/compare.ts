/** Compares what the subscribers of one session were told with each other, and with what was accepted. */
import type { Json } from '../harness.ts';

/** Events before one that is wrong that are told with it. */
const LATELY = 12;

/** What one subscriber was told. */
export interface Told {
  readonly name: string;
  /** Events in the order of their first arrival, since a copy was last put back. */
  readonly events: readonly Json[];
  /** Whether it was ever told of an event, also before that. */
  saw(id: string): boolean;
  /** When it was connected, and what it was sent first. */
  readonly journal: readonly string[];
}

/** All that was published, by its ids. */
export interface Tried {
  has(id: string): boolean;
  /**
   * Whether it was published before a copy was last put back. Tried again after it, it may be accepted once more, or still be known; those
   * who were told of it before need not be told again, nor in the same order.
   */
  isBeforeCopy(id: string): boolean;
}

/** How many things are wrong, and which. */
export interface Comparison {
  readonly lost: number;
  readonly reordered: number;
  readonly forked: number;
  readonly differing: number;
  readonly unexplained: number;
  readonly details: readonly string[];
  /** Ids of the events that the details are about. */
  readonly events: readonly string[];
}

/**
 * @param accepted ids of the events that were answered with 202 since a copy was last put back
 * @param tried all that were published, whatever came of it
 */
export function compared(followers: readonly Told[], accepted: ReadonlySet<string>, tried: Tried): Comparison {
  const details: string[] = [];
  const concerned = new Set<Told>();
  const about = new Set<string>();
  const histories = followers.map(({ events }) =>
    events.map(({ id }) => id as string).filter((id) => !tried.isBeforeCopy(id)),
  );
  const longest = histories.reduce((a, b) => (b.length > a.length ? b : a), []);
  const inLongest = new Set(longest);
  let [lost, reordered] = [0, 0];
  for (const [index, history] of histories.entries()) {
    const follower = followers[index]!;
    const seen = new Set(history);
    // An event without its 202 may have been accepted all the same, and then everybody got it.
    const missing = [
      ...[...accepted].filter((id) => !seen.has(id) && !(tried.isBeforeCopy(id) && follower.saw(id))),
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
    for (const id of [...missing, ...moved]) about.add(id);
  }
  const differing = differingVersions(followers, tried);
  for (const [id, told] of differing) {
    about.add(id);
    details.push(
      `event ${id} was told with different versions: ${[...told].map(([v, who]) => `${v} (${who.map(({ name }) => name).join(', ')})`).join('; ')}`,
    );
    for (const who of told.values()) for (const one of who) concerned.add(one);
  }
  const witness = followers[histories.indexOf(longest)];
  const forked = forks(witness?.events ?? []);
  for (const { id, prior, version } of forked) {
    about.add(id);
    details.push(`${witness?.name} was told of ${id} after ${prior}, and had ${version}`);
    details.push(...lately(witness?.events ?? [], id));
  }
  if (witness && forked.length > 0) concerned.add(witness);
  for (const { name, journal } of concerned) details.push(...journal.map((line) => `${name}: ${line}`));
  const unexplained = longest.filter((id) => !tried.has(id)).length;
  const counts = { lost, reordered, forked: forked.length, differing: differing.length, unexplained };
  return { ...counts, details, events: [...about] };
}

/** Events that two subscribers were told with different versions. */
function differingVersions(followers: readonly Told[], tried: Tried): [id: string, told: Map<string, Told[]>][] {
  const versions = new Map<string, Map<string, Told[]>>();
  for (const follower of followers) {
    for (const { id, event } of follower.events) {
      if (tried.isBeforeCopy(id)) continue;
      const told = `${event['context.versionId']} after ${event['context.priorVersionId']}`;
      const all = versions.get(id) ?? new Map<string, Told[]>();
      versions.set(id, all.set(told, [...(all.get(told) ?? []), follower]));
    }
  }
  return [...versions].filter(([, { size }]) => size > 1);
}

/** What a subscriber was told up to an event, for a reader. */
function lately(events: readonly Json[], id: string): string[] {
  const end = events.findIndex((one) => one.id === id) + 1;
  return events.slice(Math.max(0, end - LATELY), end).map(({ id, event }) => {
    return `  ${event['hub.event']} ${id}: ${event['context.versionId']} after ${event['context.priorVersionId']}`;
  });
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
