/**
 * Shared content (2.10): what a `*-update` does to it. The only place that applies an update, for Hubs, subscribers and
 * replays alike (CON-9).
 */
import { type ContextElement, isObject, type Obstacle, obstacle, type Resource } from './messages.ts';
import { keyText, namedResource, type ResourceKey, resourceKey } from './reference.ts';

/** Why an update is not taken. */
export type UpdateReason =
  /** The `updates` Bundle or one of its entries is not what CON-1 asks for. */
  | 'malformed-update'
  /** An entry gives two names that are not of one resource (CON-9). */
  | 'names-disagree'
  /** Two entries are about one resource (CON-1). */
  | 'resource-repeated'
  /** An entry would delete a resource of the opening context (CON-4). */
  | 'opening-resource-deleted';

/** One entry of an update: what it does to one resource (CON-1). */
export type UpdateEntry = PutEntry | DeleteEntry;

export interface PutEntry {
  readonly method: 'PUT';
  readonly key: ResourceKey;
  readonly resource: Resource;
  readonly fullUrl?: string;
}

export interface DeleteEntry {
  readonly method: 'DELETE';
  /** Missing when only a full URL without `Type/id`, such as `urn:uuid:…`, names the resource. */
  readonly key?: ResourceKey;
  readonly fullUrl?: string;
}

/** A shared resource. `R` is how its holder keeps it: as a value, or as text (PUB-13). */
export interface SharedResource<R = Resource> {
  readonly resource: R;
  /** The last full URL that a PUT gave it. */
  readonly fullUrl?: string;
}

/**
 * Shared content by `Type/id` (CON-3), in the order in which the resources first came. Where a Hub read it from its store, or from
 * another node, what one update brought may stand in another order: no order is promised to clients.
 */
export type SharedContent<R = Resource> = ReadonlyMap<string, SharedResource<R>>;

export const NO_CONTENT: SharedContent<never> = new Map();

type Read<T> = { readonly ok: true; readonly value: T } | Obstacle<UpdateReason>;

function readEntry(entry: unknown, where: string): Read<UpdateEntry> {
  const { request, resource, fullUrl } = isObject(entry) ? entry : {};
  const { method, url } = isObject(request) ? request : {};
  const put = method === 'PUT';
  const own = put ? resourceKey(resource) : undefined;
  let key = own;
  let urn: string | undefined;
  let disagree = false;
  for (const name of [url, fullUrl]) {
    if (name === undefined) continue;
    const text = typeof name === 'string' ? name : '';
    const named = namedResource(text);
    if (named) {
      key ??= named;
      disagree ||= keyText(named) !== keyText(key);
      // A full URL may be any address; it is then a name like a urn.
    } else if (text && (name !== url || /^urn:/i.test(text))) {
      urn ??= text;
      disagree ||= urn !== text;
    } else return obstacle('malformed-update', where);
  }
  const name = urn ?? fullUrl;
  if (put ? !own : method !== 'DELETE' || resource !== undefined || (!key && name === undefined)) {
    return obstacle('malformed-update', where);
  }
  if (disagree) return obstacle('names-disagree', where);
  const given = { ...(key && { key }), ...(typeof name === 'string' && { fullUrl: name }) };
  return { ok: true, value: { method, ...given, ...(put && { resource }) } as UpdateEntry };
}

/**
 * Reads the `updates` Bundle of a `*-update` event (CON-1, CON-9). An entry names its resource by `request.url`, by `fullUrl`
 * or, for a PUT, by the resource itself; what it gives must agree.
 * @returns the entries in order; no resource appears twice
 */
export function readUpdates(context: readonly ContextElement[]): Read<readonly UpdateEntry[]> {
  const bundle = context.find((element) => element.key === 'updates')?.resource;
  const list = bundle && (bundle.entry ?? []);
  if (!Array.isArray(list)) {
    return obstacle('malformed-update', '');
  }
  const entries: UpdateEntry[] = [];
  const seen = new Set<string>();
  for (const [index, one] of list.entries()) {
    const read = readEntry(one, `Bundle.entry[${index}]`);
    if (!read.ok) return read;
    const { key, fullUrl } = read.value;
    const named = key && keyText(key);
    for (const name of named === fullUrl ? [named] : [named, fullUrl]) {
      if (name === undefined) continue;
      if (seen.has(name)) return obstacle('resource-repeated', name);
      seen.add(name);
    }
    entries.push(read.value);
  }
  return { ok: true, value: entries };
}

/** The content that a `content` Bundle of the current context holds (2.9). What is no resource with an id is left out. */
export function readContent(entries: readonly unknown[]): SharedContent {
  const content = new Map<string, SharedResource>();
  for (const entry of entries) {
    const { resource, fullUrl } = isObject(entry) ? entry : {};
    const key = resourceKey(resource);
    const names = typeof fullUrl === 'string' && { fullUrl };
    if (key) content.set(keyText(key), { resource: resource as Resource, ...names });
  }
  return content;
}

/** A copy of a map that is about to be changed. */
export interface MapCopy<V> extends ReadonlyMap<string, V> {
  set(name: string, value: V): unknown;
  delete(name: string): unknown;
}

/** How a holder keeps shared content. */
export interface ContentHolding<R> {
  /** The resource of a PUT as it is kept. */
  hold(resource: Resource): R;
  /** A copy of it, to be changed. */
  content(content: SharedContent<R>): MapCopy<SharedResource<R>>;
  /** `Type/id` of the held resources by the full URL that they were put under. */
  names(content: SharedContent<R>): Pick<ReadonlyMap<string, string>, 'get'>;
}

/** `Type/id` of the held resources by the full URL that they were put under. */
export function namesByFullUrl(content: SharedContent<unknown>): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [name, { fullUrl }] of content) if (fullUrl !== undefined) names.set(fullUrl, name);
  return names;
}

/**
 * The content after an update, which is applied whole or not at all (CON-2, CON-3). A DELETE of what is not held changes
 * nothing.
 * @param entries as `readUpdates` gives them
 * @param holding how the holder keeps the content
 * @param opening `Type/id` of the resources of the opening context, which are never deleted (CON-4)
 * @returns a new map that shares what did not change
 */
export function applyUpdates<R>(
  content: SharedContent<R>,
  entries: readonly UpdateEntry[],
  holding: ContentHolding<R>,
  opening?: ReadonlySet<string>,
): Read<SharedContent<R>> {
  const changed = holding.content(content);
  // Of the content before the update: its entries are one change, not a sequence.
  const names = holding.names(content);
  const seen = new Set<string>();
  for (const entry of entries) {
    const { key, fullUrl } = entry;
    const named = key && keyText(key);
    const held = fullUrl === undefined ? undefined : names.get(fullUrl);
    if (named !== undefined && held !== undefined && named !== held) {
      return obstacle('names-disagree', named);
    }
    const name = named ?? held;
    if (name === undefined) continue;
    if (seen.has(name)) return obstacle('resource-repeated', name);
    seen.add(name);
    if (entry.method === 'PUT') {
      const known = fullUrl ?? content.get(name)?.fullUrl;
      changed.set(name, { resource: holding.hold(entry.resource), ...(known && { fullUrl: known }) });
    } else if (opening?.has(name)) {
      return obstacle('opening-resource-deleted', name);
    } else {
      changed.delete(name);
    }
  }
  return { ok: true, value: changed };
}
