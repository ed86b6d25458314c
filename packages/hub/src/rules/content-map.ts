import { namesByFullUrl, type SharedResource } from '@lockstep/fhircast';
import { PersistentMap } from './persistent-map.ts';
import type { Anchor } from './session-state.ts';

/** What is shared in a context: an update of it takes no longer where much is. */
export class ContentMap extends PersistentMap<SharedResource<string>> {
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

  /** `Type/id` of the resources by the full URL that they were put under. */
  get names(): Pick<ReadonlyMap<string, string>, 'get'> {
    return this.#names ?? { get: (url) => this.lastKey(({ fullUrl }) => fullUrl === url) };
  }

  override set(name: string, entry: SharedResource<string>): this {
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
