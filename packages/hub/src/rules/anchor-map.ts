import { PersistentMap } from './persistent-map.ts';
import type { Anchor, SessionState } from './session-state.ts';

/** The open contexts of a session, in the order of opening: nothing that is asked of them takes longer where there are many. */
export class AnchorMap extends PersistentMap<Anchor> {
  #byType = new PersistentMap<PersistentMap<Anchor>>();

  constructor(from: Iterable<readonly [string, Anchor]> = []) {
    super();
    this.take(from);
    if (from instanceof AnchorMap) this.#byType = new PersistentMap(from.#byType);
  }

  static of(anchors: SessionState['anchors']): AnchorMap {
    return anchors instanceof AnchorMap ? anchors : new AnchorMap(anchors);
  }

  override set(name: string, anchor: Anchor): this {
    const { type } = anchor.key;
    this.#byType.set(type, new PersistentMap(this.#byType.get(type)).set(name, anchor));
    return super.set(name, anchor);
  }

  override delete(name: string): boolean {
    const type = this.get(name)?.key.type;
    if (type === undefined) return false;
    const left = new PersistentMap(this.#byType.get(type));
    left.delete(name);
    if (left.size > 0) this.#byType.set(type, left);
    else this.#byType.delete(type);
    return super.delete(name);
  }

  /** The latest anchor of each type. */
  latestOfEachType(): readonly Anchor[] {
    return [...this.#byType.values()].flatMap(({ last }) => last ?? []);
  }

  /** The anchor that an event opened. @param number of the event in the topic's log */
  openedBy(number: number): Anchor | undefined {
    const first = this.firstWhere(({ opening }) => opening.number >= number);
    return first?.opening.number === number ? first : undefined;
  }
}
