import {
  AS_READ,
  anchorOf,
  applyUpdates,
  type ContextChange,
  type ContextElement,
  contextChange,
  type EventMessage,
  keyText,
  NO_CONTENT,
  NO_CONTEXTS,
  type OpenContext,
  type ResourceKey,
  readContent,
  type SessionContexts,
  type SharedContent,
  stepContexts,
} from '@lockstep/fhircast';
import { type Content, type Context, makeContext } from './context.ts';
import { openedAnchor, parseTimestamp } from './event-names.ts';
import type { Reading } from './hub-api.ts';

/** What an event did to the model. */
export type HeldVerdict =
  /** Applied, or of no consequence here: the application should see it. */
  | {
      readonly kind: 'news';
      readonly moved: boolean;
      /** Why what is held now may not be the Hub's; '' when nothing speaks against it. */
      readonly uncertainty: string;
    }
  /** The Hub's reading showed it already. */
  | { readonly kind: 'known' }
  /**
   * What is current is not known: the event is `older` than what established the current context, and to be ignored (2.5), closes
   * what is `unheld`, which the application should see, or says that a context changed, but not to what.
   */
  | { readonly kind: 'older' | 'unheld' | 'unreadable'; readonly reason: string };

type Elements = readonly ContextElement[];
type Open = OpenContext<Elements>;
type Update = Extract<ContextChange<Elements>, { kind: 'update' }>;

export type Comparison = 'same' | 'differs' | 'past';

/** What the Hub's reading means for us: a context of ours, and the content where the reading has it. */
interface Meant {
  readonly key: ResourceKey;
  readonly elements: Elements;
  readonly versionId: string;
  readonly content: SharedContent | undefined;
}

/** Open anchors kept at most; contexts that the Hub closes without telling us would pile up otherwise. */
const MAX_ANCHORS = 50;
const MAX_PENDING = 100;
const MAX_PAST = 50;
/** Its open was missed, or was before our time. */
const UNKNOWN = 'an open was missed';
export const LATE = 'events arrive late';
const OLDER: HeldVerdict = { kind: 'older', reason: LATE };

function news(moved: boolean, uncertainty = ''): HeldVerdict {
  return { kind: 'news', moved, uncertainty };
}

/** Adds to the list, which keeps the newest ones. */
function push<T>(list: T[], value: T, max: number): void {
  list.push(value);
  if (list.length > max) list.shift();
}

/** Whether a DELETE names a resource in words that the content does not know. */
function isPuzzling({ entries }: Update, content: SharedContent): boolean {
  const known = new Set([...content.values()].map(({ fullUrl }) => fullUrl));
  return entries.some(({ key, fullUrl }) => !key && !known.has(fullUrl));
}

/**
 * Which contexts are open, which one is current and what is shared in them, as far as events and readings tell. The contexts
 * themselves are those of the protocol (`stepContexts`); here is what a subscriber does not know of them, and how it finds out.
 * Holds no clock and does no I/O.
 */
export class HeldContexts {
  #model: SessionContexts<Elements> = NO_CONTEXTS;
  /** Updates since the open of those whose content is unknown until it is read from the Hub, by `Type/id`. */
  readonly #unread = new Map<string, Update[]>();
  /** When the current context, also an empty one, was established by its publisher's clock; -Infinity when unknown. */
  established = Number.NEGATIVE_INFINITY;
  #ignored: { readonly anchor: string; readonly timestamp: number } | undefined;
  /** The anchor that was current when a reading showed that none is: its close may be still to come. */
  #dropped: string | undefined;
  #past: string[] = [];
  /** Versions that updates of the current context led on from, over this connection. */
  #passed: string[] = [];
  /** The anchor of a context adopted from a reading, until its event comes along. */
  #awaited: string | undefined;
  /** It is known from this connection which context is current. */
  #spoken = false;
  /** A context changed in a way that could not be read. */
  #lost = false;
  #context: Context | undefined;
  #content: { readonly of: SharedContent; readonly content: Content } = { of: NO_CONTENT, content: new Map() };
  /** Counts what was applied. */
  epoch = 0;
  /** `Type/id` of the context that was current before this one; '' for none, undefined when unknown. */
  before: string | undefined;

  /** The contexts, as the protocol's model has them. */
  get model(): SessionContexts<Elements> {
    return this.#model;
  }

  get #current(): Open | undefined {
    const { current, anchors } = this.#model;
    return current === undefined ? undefined : anchors.get(current);
  }

  /** The same object until something of it changes. */
  get current(): Context | undefined {
    const open = this.#current;
    const last = this.#context;
    if (!open) this.#context = undefined;
    else if (
      last?.elements !== open.opening ||
      (last.versionId ?? '') !== open.versionId ||
      keyText(last) !== keyText(open.key)
    ) {
      this.#context = makeContext(open.key, open.opening, open.versionId);
    }
    return this.#context;
  }

  /** The current context's content; undefined while it is unknown. The same object until something of it changes. */
  get content(): Content | undefined {
    const { current } = this.#model;
    if (current !== undefined && this.#unread.has(current)) return undefined;
    const of = this.#current?.content ?? NO_CONTENT;
    if (this.#content.of !== of) {
      this.#content = { of, content: new Map([...of].map(([name, { resource }]) => [name, resource])) };
    }
    return this.#content.content;
  }

  /** Why the current context may not be the Hub's: a reading overruled what the socket says, and the socket does not agree. */
  get uncertainty(): string {
    return this.#spoken && this.#awaited !== undefined ? 'the Hub contradicts itself' : '';
  }

  /** A context was adopted whose event the socket still owes. */
  get awaiting(): boolean {
    return this.#awaited !== undefined;
  }

  stopAwaiting(): void {
    this.#awaited = undefined;
  }

  /** Whether the model is whole, as far as events alone tell. */
  get whole(): boolean {
    return !this.#lost && this.content !== undefined;
  }

  /** Whether the event opens what is current, or opens nothing where nothing is. */
  reopens({ event }: EventMessage): boolean {
    const key = openedAnchor(event['hub.event'], event.context);
    return (key && keyText(key)) === this.#model.current;
  }

  /**
   * A new connection: readings from before say nothing about what is past now.
   * @param forget the current content was not followed until now
   */
  reconnected(forget: boolean): void {
    this.#past = [];
    this.#passed = [];
    this.#awaited = undefined;
    this.#spoken = false;
    if (forget && this.#model.current !== undefined) this.#unread.set(this.#model.current, []);
  }

  /** @param shares whether content of this anchor type is followed and can be read from the Hub */
  apply(message: EventMessage, shares: (type: string) => boolean): HeldVerdict {
    const timestamp = parseTimestamp(message.timestamp);
    const older = timestamp < this.established;
    const read = contextChange(message, message.event.context);
    // What is about no context may come from another clock, as the Hub's SyncErrors do.
    if (!read) return news(false);
    if (!read.ok) {
      this.#lost = true;
      this.epoch++;
      return { kind: 'unreadable', reason: 'a message could not be read' };
    }
    const { change } = read;
    if (change.kind !== 'update' && change.kind !== 'select') this.#spoken = true;
    switch (change.kind) {
      case 'home':
        return older ? OLDER : this.#leave(change, timestamp);
      case 'logout': {
        this.#leave(change, timestamp);
        this.#unread.clear();
        this.established = Number.NEGATIVE_INFINITY;
        return news(true);
      }
      case 'open':
        return this.#open(change, timestamp, older, shares(change.key.type));
      case 'close':
        return this.#close(change, timestamp, older);
      case 'update':
        return this.#update(change, shares(change.key.type));
      case 'select':
        if (older) return OLDER;
        this.#step(change);
        return news(false);
    }
  }

  /** @returns whether the change was made */
  #step(change: ContextChange<Elements>): boolean {
    const stepped = stepContexts(this.#model, change, AS_READ);
    if (stepped.ok) this.#model = stepped.contexts;
    return stepped.ok;
  }

  #open(
    change: Extract<ContextChange<Elements>, { kind: 'open' }>,
    timestamp: number,
    older: boolean,
    shares: boolean,
  ): HeldVerdict {
    const anchor = keyText(change.key);
    if (change.versionId !== '' && `${anchor}@${change.versionId}` === this.#mark) {
      this.#seen(anchor);
      if (!Number.isNaN(timestamp)) this.established = timestamp;
      return { kind: 'known' };
    }
    if (older) {
      this.#ignored = { anchor, timestamp };
      return OLDER;
    }
    this.#moving(timestamp);
    this.#step(change);
    this.#bound();
    // A re-open keeps its content (PUB-8), also that from before our time: only the Hub knows it.
    if (shares) this.#unread.set(anchor, []);
    this.#seen(anchor);
    return news(true, shares ? 'the content is being read' : this.#overtaken());
  }

  #close(change: Extract<ContextChange<Elements>, { kind: 'close' }>, timestamp: number, older: boolean): HeldVerdict {
    if (older) return OLDER;
    const anchor = keyText(change.key);
    if (this.#model.current === anchor) return this.#leave(change, timestamp);
    // What was opened again, and looked older, may have been the Hub's context until now. What a reading had left may be closed only now.
    const held = this.#step(change) && this.#ignored?.anchor !== anchor && this.#dropped !== anchor;
    this.#unread.delete(anchor);
    if (this.#model.current === undefined) this.#seen('');
    return held ? news(false) : { kind: 'unheld', reason: UNKNOWN };
  }

  #leave(change: ContextChange<Elements>, timestamp: number): HeldVerdict {
    this.#moving(timestamp);
    const { current = '' } = this.#model;
    this.#step(change);
    if (!this.#model.anchors.has(current)) this.#unread.delete(current);
    this.#seen('');
    return news(true, this.#overtaken());
  }

  #update(change: Update, shares: boolean): HeldVerdict {
    const anchor = keyText(change.key);
    const held = this.#model.anchors.get(anchor);
    if (!held) return news(false, UNKNOWN);
    const current = this.#model.current === anchor;
    if (change.versionId !== '' && change.versionId === held.versionId) {
      if (current) this.#seen(anchor);
      return { kind: 'known' };
    }
    this.epoch++;
    if (current) {
      this.#remember();
      if (held.versionId !== '') push(this.#passed, held.versionId, MAX_PAST);
    }
    const pending = this.#unread.get(anchor);
    // Without a version nothing shows whether an update before it was lost: the content is read.
    const isUnsure = (change.versionId === '' && shares) || isPuzzling(change, held.content);
    if (pending || isUnsure || !this.#step(change)) this.#miss(held, change, pending);
    if (!current) return news(false);
    return news(false, this.content === undefined ? 'an update was missed' : this.#overtaken());
  }

  /** The content is unknown after an update that was not applied; the updates after it complete what will be read. */
  #miss(held: Open, update: Update, pending: Update[] | undefined): void {
    if (update.versionId !== '') {
      this.#replace({ ...held, versionId: update.versionId });
      if (pending) push(pending, update, MAX_PENDING);
    }
    this.#unread.set(keyText(held.key), pending ?? []);
  }

  #replace(open: Open): void {
    const anchors = new Map(this.#model.anchors).set(keyText(open.key), open);
    this.#model = { ...this.#model, anchors };
  }

  /** While a reading has overtaken the socket, what comes next may be from before it. */
  #overtaken(): string {
    return this.#awaited === undefined ? '' : LATE;
  }

  #seen(anchor: string): void {
    if (this.#awaited === anchor) this.#awaited = undefined;
  }

  /** What tells one state of the current context from another. */
  get #mark(): string {
    const open = this.#current;
    return open ? `${keyText(open.key)}@${open.versionId}` : '';
  }

  #remember(): void {
    push(this.#past, this.#mark, MAX_PAST);
  }

  /** The current context is about to be another one. */
  #moving(timestamp: number): void {
    this.epoch++;
    this.#lost = false;
    this.#remember();
    this.before = this.#model.current ?? '';
    this.#passed = [];
    if (!Number.isNaN(timestamp)) this.established = timestamp;
  }

  #bound(): void {
    const { anchors } = this.#model;
    const [oldest] = anchors.values();
    if (!oldest || anchors.size <= MAX_ANCHORS) return;
    this.#step({ kind: 'close', key: oldest.key });
    this.#unread.delete(keyText(oldest.key));
  }

  /**
   * The contexts that a reading may mean for us. The Hub reads by scope, not by subscription (CON-6): of a context whose
   * open we do not get, those count that derive from it (2.5).
   * @param receives whether events of this name are granted
   * @returns undefined when it says nothing about ours
   */
  #meant(reading: Reading, receives: (event: string) => boolean): readonly Meant[] | undefined {
    const { type, context, versionId, content = [] } = reading;
    if (type === '') return [];
    const whole = anchorOf(type, context);
    if (whole !== undefined && receives(`${type}-open`)) {
      return [{ key: whole, elements: context, versionId, content: readContent(content) }];
    }
    const derived = context.flatMap((element) => {
      const other = element.resource?.resourceType;
      const key = other && receives(`${other}-open`) ? anchorOf(other, [element]) : undefined;
      return key === undefined ? [] : [{ key, elements: [element], versionId: '', content: undefined }];
    });
    return derived.length > 0 ? derived : undefined;
  }

  /** The content is known. */
  #learn(open: Open, content: SharedContent): void {
    this.#unread.delete(keyText(open.key));
    this.#replace({ ...open, content });
  }

  /**
   * Holds a reading against the model, and takes its content where ours is unknown.
   * `past` is what the model has gone beyond since the connection was made.
   * @param quiet whether no event came while the reading was under way
   */
  compare(reading: Reading, receives: (event: string) => boolean, quiet: boolean): Comparison {
    const meant = this.#meant(reading, receives);
    const current = this.#current;
    const anchor = this.#model.current ?? '';
    if (!meant) {
      this.#unread.delete(anchor);
      return 'same';
    }
    const match = meant.find(({ key }) => keyText(key) === anchor);
    if (!current || !match) {
      if (!current && meant.length === 0) return 'same';
      const [first] = meant;
      return this.#past.includes(first ? `${keyText(first.key)}@${first.versionId}` : '') ? 'past' : 'differs';
    }
    const { versionId: ours } = current;
    const { versionId: theirs, content } = match;
    if (!content || theirs === '' || ours === '') {
      // Without versions only silence tells that the content is of now.
      if (content && !quiet) return 'differs';
      if (content) this.#learn(current, content);
      this.#unread.delete(anchor);
      return 'same';
    }
    const pending = this.#unread.get(anchor);
    if (theirs === ours) {
      if (pending) this.#learn(current, content);
      return 'same';
    }
    if (!this.#past.includes(`${anchor}@${theirs}`)) return 'differs';
    if (!pending) {
      // Updates that came while it was under way led on from it. Otherwise the Hub should know what we know: an open that came
      // late may have taken us back.
      return !quiet && this.#passed.includes(theirs) ? 'same' : 'past';
    }
    // The updates that came while the reading was under way complete it.
    const completed = complete(content, theirs, pending, ours);
    if (completed) this.#learn(current, completed);
    return completed ? 'same' : 'past';
  }

  /**
   * Takes a reading for the truth. The next events are compared with it.
   * @returns whether the current context is another one now
   */
  adopt(reading: Reading, receives: (event: string) => boolean): boolean {
    const meant = this.#meant(reading, receives);
    if (!meant) return false;
    const before = this.#model.current;
    const [first] = meant;
    if (!first) {
      this.drop();
      this.#awaited = '';
      return before !== undefined;
    }
    const { key, elements, versionId, content = NO_CONTENT } = first;
    const anchor = keyText(key);
    const late = this.#ignored?.anchor === anchor ? this.#ignored : undefined;
    this.#moving(late?.timestamp ?? Number.NaN);
    this.#step({ kind: 'open', key, versionId, opening: elements });
    this.#bound();
    this.#learn({ key, opening: elements, versionId, content }, content);
    this.#ignored = undefined;
    this.#awaited = late ? undefined : anchor;
    return before !== anchor;
  }

  /** No context is current, as far as the Hub tells or fails to tell (SUB-8). */
  drop(): void {
    this.#dropped = this.#model.current;
    this.#moving(Number.NaN);
    this.#model = { anchors: this.#model.anchors, selected: [] };
  }
}

/** A reading's content brought to `version` by updates; undefined when one of them is missing. */
function complete(
  content: SharedContent,
  versionId: string,
  updates: readonly Update[],
  version: string,
): SharedContent | undefined {
  let at = versionId;
  let reached = content;
  for (const update of updates) {
    if (update.basedOn !== at) continue;
    const applied = isPuzzling(update, reached) ? undefined : applyUpdates(reached, update.entries, AS_READ);
    if (!applied?.ok) return undefined;
    reached = applied.value;
    at = update.versionId;
  }
  return at === version ? reached : undefined;
}
