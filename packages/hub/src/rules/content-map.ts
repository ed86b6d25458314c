import { namesByFullUrl, type SharedResource } from '@lockstep/fhircast';
import { PersistentMap } from './persistent-map.ts';
import type { Anchor } from './session-state.ts';

/** A resource that is shared in a context, as the Hub holds it: as JSON. */
export interface HeldResource extends SharedResource<string> {
  /**
   * Those of one context are in this order, in which they were shared, wherever they are read again. Absent where an earlier version
   * stored the resource: such ones are the first, in the order of their names.
   */
  readonly order?: number;
}

type Named = readonly [name: string, entry: HeldResource];

function inOrder([name, { order = 0 }]: Named, [otherName, { order: other = 0 }]: Named): number {
  return order - other || (name < otherName ? -1 : 1);
}

/** What is shared in a context, in the order in which it was shared: an update of it takes no longer where much is. */
export class ContentMap extends PersistentMap<HeldResource> {
  /** `Type/id` of the resources by the full URL that they were put under, where there are many. */
  #names: PersistentMap<string> | undefined;

  constructor(from?: Iterable<readonly [string, SharedResource<string>]>) {
    super();
    if (from !== undefined) this.take(from);
    if (from instanceof ContentMap && from.#names) this.#names = new PersistentMap(from.#names);
  }

  static of(content: Anchor['content']): ContentMap {
    return content instanceof ContentMap ? content : new ContentMap(content);
  }

  /** @param entries as they were stored, in any order */
  static restored(entries: Iterable<Named>): ContentMap {
    const content = new ContentMap();
    for (const [name, entry] of [...entries].sort(inOrder)) content.#put(name, entry);
    return content;
  }

  /** The same after some entries were stored, or removed, elsewhere. */
  withStored(changes: ReadonlyMap<string, HeldResource | undefined>): ContentMap {
    const content = new ContentMap(this);
    const stored: Named[] = [];
    let isFirst = false;
    for (const [name, entry] of changes) {
      if (!entry) content.delete(name);
      else {
        stored.push([name, entry]);
        isFirst ||= entry.order === undefined && !content.has(name);
      }
    }
    for (const [name, entry] of stored.sort(inOrder)) content.#put(name, entry);
    return isFirst ? ContentMap.restored(content) : content;
  }

  /** `Type/id` of the resources by the full URL that they were put under. */
  get names(): Pick<ReadonlyMap<string, string>, 'get'> {
    return this.#names ?? { get: (url) => this.lastKey(({ fullUrl }) => fullUrl === url) };
  }

  /** Shares a resource: after all others, or in the place of the one of this name. */
  override set(name: string, { resource, fullUrl }: SharedResource<string>): this {
    const held = this.get(name);
    const order = held ? held.order : (this.last?.order ?? 0) + 1;
    return this.#put(name, {
      resource,
      ...(fullUrl !== undefined && { fullUrl }),
      ...(order !== undefined && { order }),
    });
  }

  #put(name: string, entry: HeldResource): this {
    this.#forget(name);
    super.set(name, entry);
    if (this.isList) return this;
    if (!this.#names) this.#names = new PersistentMap(namesByFullUrl(this));
    else if (entry.fullUrl !== undefined) this.#names.set(entry.fullUrl, name);
    return this;
  }

  override delete(name: string): boolean {
    this.#forget(name);
    const isHeld = super.delete(name);
    if (this.isList) this.#names = undefined;
    return isHeld;
  }

  #forget(name: string): void {
    if (!this.#names) return;
    const fullUrl = this.get(name)?.fullUrl;
    if (fullUrl !== undefined && this.#names.get(fullUrl) === name) this.#names.delete(fullUrl);
  }
}
