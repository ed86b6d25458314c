import type { SharedResource } from '@lockstep/fhircast';
import { PersistentMap } from './persistent-map.ts';
import type { Anchor } from './session-state.ts';

/** What is shared in a context: an update of it takes no longer where much is. */
export class ContentMap extends PersistentMap<SharedResource<string>> {
  #names = new PersistentMap<string>();

  constructor(from: Iterable<readonly [string, SharedResource<string>]> = []) {
    super();
    this.take(from);
    if (from instanceof ContentMap) this.#names = new PersistentMap(from.#names);
  }

  static of(content: Anchor['content']): ContentMap {
    return content instanceof ContentMap ? content : new ContentMap(content);
  }

  /** `Type/id` of the resources by the full URL that they were put under. */
  get names(): PersistentMap<string> {
    return this.#names;
  }

  override set(name: string, entry: SharedResource<string>): this {
    this.#forget(name);
    if (entry.fullUrl !== undefined) this.#names.set(entry.fullUrl, name);
    return super.set(name, entry);
  }

  override delete(name: string): boolean {
    this.#forget(name);
    return super.delete(name);
  }

  #forget(name: string): void {
    const fullUrl = this.get(name)?.fullUrl;
    if (fullUrl !== undefined && this.#names.get(fullUrl) === name) this.#names.delete(fullUrl);
  }
}
