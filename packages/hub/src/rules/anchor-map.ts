import { PersistentMap } from './persistent-map.ts';
import type { Anchor, SessionState } from './session-state.ts';

type ByType = PersistentMap<PersistentMap<Anchor>>;

function withAnchor(byType: ByType, name: string, anchor: Anchor): ByType {
  const { type } = anchor.key;
  return byType.set(type, new PersistentMap(byType.get(type)).set(name, anchor));
}

/** The open contexts of a session, in the order of opening: nothing that is asked of them takes longer where there are many. */
export class AnchorMap extends PersistentMap<Anchor> {
  /** The same by resource type, where there are many. */
  #byType: ByType | undefined;

  constructor(from?: Iterable<readonly [string, Anchor]>) {
    super();
    if (from !== undefined) this.take(from);
    if (from instanceof AnchorMap && from.#byType) this.#byType = new PersistentMap(from.#byType);
  }

  static of(anchors: SessionState['anchors']): AnchorMap {
    return anchors instanceof AnchorMap ? anchors : new AnchorMap(anchors);
  }

  override set(name: string, anchor: Anchor): this {
    super.set(name, anchor);
    if (this.isList) return this;
    if (this.#byType) withAnchor(this.#byType, name, anchor);
    else {
      this.#byType = new PersistentMap();
      for (const [other, one] of this) withAnchor(this.#byType, other, one);
    }
    return this;
  }

  override delete(name: string): boolean {
    const type = this.get(name)?.key.type;
    if (type === undefined) return false;
    super.delete(name);
    if (this.isList) this.#byType = undefined;
    if (!this.#byType) return true;
    const left = new PersistentMap(this.#byType.get(type));
    left.delete(name);
    if (left.size > 0) this.#byType.set(type, left);
    else this.#byType.delete(type);
    return true;
  }

  /** The latest anchor of each type. */
  latestOfEachType(): readonly Anchor[] {
    if (this.#byType) return [...this.#byType.values()].flatMap(({ last }) => last ?? []);
    const latest = new Map<string, Anchor>();
    for (const anchor of this.values()) latest.set(anchor.key.type, anchor);
    return [...latest.values()];
  }

  /** The anchor that an event opened. @param number of the event in the topic's log */
  openedBy(number: number): Anchor | undefined {
    const first = this.firstWhere(({ opening }) => opening.number >= number);
    return first?.opening.number === number ? first : undefined;
  }
}
