import {
  type ContextElement,
  type EventBody,
  type EventMessage,
  eventKey,
  isObject,
  type JsonObject,
  type Resource,
  STANDARD_EVENTS,
} from '@lockstep/fhircast';
import type { Reading } from './hub-api.ts';

/** Shared resources by `Type/id` (2.10). */
export type Content = ReadonlyMap<string, Resource>;

/** An open context: its anchor and what came with its opening event. */
export interface Context {
  /** The anchor's resource type. */
  readonly type: string;
  readonly id: string;
  /** The Hub's version of the context and its content, where it has versions. */
  readonly versionId?: string;
  /** The elements of the opening event, unchanged by updates (2.10). */
  readonly elements: readonly ContextElement[];
  /** The first resource of each key: `resources.patient`, `resources.report`. */
  readonly resources: Readonly<Record<string, Resource>>;
}

/** What an event did to the model. */
export type Verdict =
  /** Applied, or of no consequence here: the application should see it. */
  | { readonly kind: 'news'; readonly moved: boolean; readonly doubt?: string }
  /** The Hub's reading told it already. */
  | { readonly kind: 'known' }
  /** Older than what established the current context: to be ignored (2.5). */
  | { readonly kind: 'older' }
  /** Says that a context changed, but not to what. */
  | { readonly kind: 'unreadable' };

interface Anchor {
  context: Context;
  /** undefined until it is read from the Hub. */
  content: Content | undefined;
  /** Updates since the open, kept while the content is unknown. */
  pending: { readonly prior: string | undefined; readonly version: string; readonly entries: readonly JsonObject[] }[];
  /** Versions that updates led on from, since it became current and over this connection. */
  passed: string[];
}

export type Comparison = 'same' | 'differs' | 'past';

/** Open anchors kept at most; contexts that the Hub closes without telling us would pile up otherwise. */
const MAX_ANCHORS = 50;
const MAX_PENDING = 100;
const MAX_PAST = 50;
const NAME = /^(.+)-(open|close|update|select)$/i;
/** Its open was missed, or was before our time. */
const UNKNOWN = { doubt: 'an event is about a context that was not opened here' };
const NO_CONTENT: Content = new Map();

/** Type and action of an event name, the type as it was spelt. */
export function parseEventName(name: string): { type: string; action: string } | undefined {
  const [, type, action] = NAME.exec(name) ?? [];
  return type && action ? { type, action: action.toLowerCase() } : undefined;
}

const SPELLING: ReadonlyMap<string, string> = new Map(STANDARD_EVENTS.map((name) => [eventKey(name), name]));

/** An event's name as the catalog has it: names compare without regard to case, resource types are spelt by FHIR. */
export function spellEventName(name: string, elements: readonly ContextElement[]): string {
  const standard = SPELLING.get(eventKey(name));
  const about = standard ? undefined : parseEventName(name);
  const type = about && anchorOf(about.type, elements)?.split('/')[0];
  return standard ?? (type ? `${type}-${about.action}` : name);
}

/** The first resource of each key. */
export function resourcesByKey(elements: readonly ContextElement[]): Record<string, Resource> {
  const resources: Record<string, Resource> = Object.create(null);
  for (const { key, resource } of elements) {
    if (resource) resources[key] ??= resource;
  }
  return resources;
}

/** Timestamps are UTC (2.5); those without a zone are taken so, not as local time. NaN when there is none. */
export function parseTimestamp(timestamp: string): number {
  return Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(timestamp) ? timestamp : `${timestamp}Z`);
}

function lastTwo(reference: unknown): string | undefined {
  if (typeof reference !== 'string') return undefined;
  return /(?:^|\/)([A-Za-z]+\/[^/?#]+)(?:\/_history\/[^/]*)?$/.exec(reference)?.[1];
}

function isResource(value: unknown): value is Resource {
  return isObject(value) && typeof value.resourceType === 'string';
}

/** `Type/id`; undefined where there is no id. What a Hub sends may hold anything. */
export function identityOf({ resourceType, id }: Resource): string | undefined {
  return typeof id === 'string' && id !== '' ? `${resourceType}/${id}` : undefined;
}

/** `Type/id` of a context element's resource or reference; an id is what a context is known by. */
function elementIdentity({ resource, reference }: ContextElement): string | undefined {
  if (!resource) return isObject(reference) ? lastTwo(reference.reference) : undefined;
  return identityOf(resource);
}

/** `Type/id` of the anchor that an event is about; undefined where the Hub left it or its id out. */
function anchorOf(type: string, elements: readonly ContextElement[]): string | undefined {
  const start = `${type.toLowerCase()}/`;
  for (const element of elements) {
    const identity = elementIdentity(element);
    if (identity?.toLowerCase().startsWith(start)) return identity;
  }
  return undefined;
}

function makeContext(anchor: string, elements: readonly ContextElement[], versionId: string | undefined): Context {
  const [type = '', id = ''] = anchor.split('/');
  return {
    type,
    id,
    elements,
    resources: resourcesByKey(elements),
    ...(versionId === undefined ? {} : { versionId }),
  };
}

function anchorText(context: Context | undefined): string {
  return context ? `${context.type}/${context.id}` : '';
}

function applyEntries(content: Content, entries: readonly JsonObject[]): Content {
  const changed = new Map(content);
  for (const entry of entries) {
    const request = isObject(entry.request) ? entry.request : {};
    const resource = isResource(entry.resource) ? entry.resource : undefined;
    const identity = resource && identityOf(resource);
    if (typeof request.method === 'string' && request.method.toUpperCase() === 'DELETE') {
      const gone = lastTwo(entry.fullUrl) ?? lastTwo(request.url) ?? identity;
      if (gone) changed.delete(gone);
    } else if (resource && identity) {
      changed.set(identity, resource);
    }
  }
  return changed;
}

/**
 * Which contexts are open, which one is current and what is shared in them, as far as events and readings tell.
 * Holds no clock and does no I/O.
 */
export class Contexts {
  readonly #anchors = new Map<string, Anchor>();
  #current: Anchor | undefined;
  /** When the current context, also an empty one, was established by its publisher's clock. */
  #established = Number.NEGATIVE_INFINITY;
  #ignored: { readonly anchor: string; readonly timestamp: number } | undefined;
  #past: string[] = [];
  /** The mark of a context adopted from a reading, until its event comes along. */
  #awaited: string | undefined;
  /** A context changed in a way that could not be read. */
  #lost = false;
  /** Counts what was applied. */
  epoch = 0;

  get current(): Context | undefined {
    return this.#current?.context;
  }

  /** The current context's content; undefined while it is unknown. */
  get content(): Content | undefined {
    return this.#current ? this.#current.content : NO_CONTENT;
  }

  /** The publisher's time of the current context; -Infinity when unknown. */
  get established(): number {
    return this.#established;
  }

  /** A context was adopted whose event the socket still owes. */
  get awaiting(): boolean {
    return this.#awaited !== undefined;
  }

  stopAwaiting(): void {
    this.#awaited = undefined;
  }

  /** Whether a reading says anything: a context that it does not identify is nonsense. */
  static makesSense(reading: Reading): boolean {
    return reading.type === '' || anchorOf(reading.type, reading.context) !== undefined;
  }

  /** Whether the model is whole, as far as events alone tell. */
  get whole(): boolean {
    return !this.#lost && this.content !== undefined;
  }

  /** Whether the event opens what is current. */
  reopens(message: EventMessage): boolean {
    const about = parseEventName(message.event['hub.event']);
    if (about?.action !== 'open' || !this.current) return false;
    return anchorOf(about.type, message.event.context) === anchorText(this.current);
  }

  /** An open context by its anchor, `Type/id`. */
  find(anchor: string): Context | undefined {
    return this.#anchors.get(anchor)?.context;
  }

  /**
   * A new connection: readings from before say nothing about what is past now.
   * @param forget the current content was not followed until now
   */
  reconnected(forget: boolean): void {
    this.#past = [];
    this.#awaited = undefined;
    if (this.#current) this.#current.passed = [];
    if (forget && this.#current) this.#current.content = undefined;
  }

  /** @param shares whether content of this anchor type is followed and can be read from the Hub */
  apply(message: EventMessage, shares: (type: string) => boolean): Verdict {
    const body = message.event;
    const name = body['hub.event'];
    const about = parseEventName(name);
    const timestamp = parseTimestamp(message.timestamp);
    const older = timestamp < this.#established;
    if (name === 'Home-open') return older ? { kind: 'older' } : this.#leave(timestamp);
    if (name === 'UserLogout') {
      this.#anchors.clear();
      this.#leave(timestamp);
      this.#established = Number.NEGATIVE_INFINITY;
      return { kind: 'news', moved: true };
    }
    switch (about?.action) {
      case 'open':
        return this.#open(about.type, body, timestamp, older, shares(about.type));
      case 'close':
        return this.#close(about.type, body, timestamp, older);
      case 'update':
        return this.#update(about.type, body);
      default:
        return older ? { kind: 'older' } : { kind: 'news', moved: false };
    }
  }

  #open(type: string, body: EventBody, timestamp: number, older: boolean, shares: boolean): Verdict {
    const anchor = anchorOf(type, body.context);
    if (anchor === undefined) return this.#unreadable();
    const version = body['context.versionId'];
    const mark = `${anchor}@${version ?? ''}`;
    if (version !== undefined && mark === markOf(this.current)) {
      this.#seen(anchor);
      if (!Number.isNaN(timestamp)) this.#established = timestamp;
      return { kind: 'known' };
    }
    if (older) {
      this.#ignored = { anchor, timestamp };
      return { kind: 'older' };
    }
    const held = this.#anchors.get(anchor);
    // A re-open keeps its content (PUB-8), also that from before our time: only the Hub knows it.
    const content = shares ? undefined : held ? held.content : NO_CONTENT;
    this.#move({ context: makeContext(anchor, body.context, version), content, pending: [], passed: [] }, timestamp);
    this.#seen(anchor);
    return { kind: 'news', moved: true, ...(shares ? { doubt: 'the content is being read' } : this.#overtaken()) };
  }

  #close(type: string, body: EventBody, timestamp: number, older: boolean): Verdict {
    const anchor = anchorOf(type, body.context);
    if (anchor === undefined) return this.#unreadable();
    if (older) return { kind: 'older' };
    const held = this.#anchors.get(anchor);
    this.#anchors.delete(anchor);
    const current = this.#current;
    if (current && held === current) return this.#leave(timestamp);
    if (!current) this.#seen('');
    return { kind: 'news', moved: false, ...(held ? {} : UNKNOWN) };
  }

  #leave(timestamp: number): Verdict {
    this.#move(undefined, timestamp);
    this.#seen('');
    return { kind: 'news', moved: true, ...this.#overtaken() };
  }

  #update(type: string, body: EventBody): Verdict {
    const anchor = anchorOf(type, body.context);
    const held = anchor === undefined ? undefined : this.#anchors.get(anchor);
    if (!held) return { kind: 'news', moved: false, ...UNKNOWN };
    const current = held === this.#current;
    const version = body['context.versionId'];
    const prior = body['context.priorVersionId'];
    const ours = held.context.versionId;
    if (version !== undefined && version === ours) {
      if (current) this.#seen(anchor ?? '');
      return { kind: 'known' };
    }
    const bundle = body.context.find((one) => one.key === 'updates')?.resource;
    const entries = Array.isArray(bundle?.entry) ? bundle.entry.filter(isObject) : undefined;
    const follows = entries && (prior === undefined || ours === undefined || prior === ours);
    this.epoch++;
    if (current) {
      this.#remember();
      if (ours !== undefined) held.passed.push(ours);
      if (held.passed.length > MAX_PAST) held.passed.shift();
    }
    if (version !== undefined) held.context = { ...held.context, versionId: version };
    if (held.content) {
      held.content = follows ? applyEntries(held.content, entries) : undefined;
    } else if (entries && version !== undefined) {
      held.pending.push({ prior, version, entries });
      if (held.pending.length > MAX_PENDING) held.pending.shift();
    }
    if (!current) return { kind: 'news', moved: false };
    if (!held.content) return { kind: 'news', moved: false, doubt: 'an update is missing' };
    return { kind: 'news', moved: false, ...this.#overtaken() };
  }

  #unreadable(): Verdict {
    this.#lost = true;
    this.epoch++;
    return { kind: 'unreadable' };
  }

  /** While a reading has overtaken the socket, what comes next may be from before it. */
  #overtaken(): { doubt?: string } {
    return this.#awaited === undefined ? {} : { doubt: 'events arrive late' };
  }

  #seen(anchor: string): void {
    if (this.#awaited === anchor) this.#awaited = undefined;
  }

  #remember(): void {
    this.#past.push(markOf(this.current));
    if (this.#past.length > MAX_PAST) this.#past.shift();
  }

  #move(to: Anchor | undefined, timestamp: number): void {
    this.epoch++;
    this.#lost = false;
    this.#remember();
    this.#current = to;
    if (!Number.isNaN(timestamp)) this.#established = timestamp;
    if (!to) return;
    const anchor = anchorText(to.context);
    this.#anchors.delete(anchor);
    this.#anchors.set(anchor, to);
    if (this.#anchors.size > MAX_ANCHORS) this.#anchors.delete(this.#anchors.keys().next().value ?? '');
  }

  /**
   * The contexts that a reading may mean for us. The Hub reads by scope, not by subscription (CON-6): of a context whose
   * open we do not get, those count that derive from it (2.5).
   * @param receives whether events of this name are granted
   * @returns undefined when it says nothing about ours
   */
  #meant(reading: Reading, receives: (event: string) => boolean): readonly Context[] | undefined {
    if (reading.type === '') return [];
    const whole = anchorOf(reading.type, reading.context);
    if (whole !== undefined && receives(`${reading.type}-open`)) {
      return [makeContext(whole, reading.context, reading.versionId)];
    }
    const derived = reading.context.flatMap((element) => {
      const type = element.resource?.resourceType;
      const anchor = type && receives(`${type}-open`) ? anchorOf(type, [element]) : undefined;
      return anchor === undefined ? [] : [makeContext(anchor, [element], undefined)];
    });
    return derived.length > 0 ? derived : undefined;
  }

  /**
   * Holds a reading against the model, and takes its content where ours is unknown.
   * `past` is what the model has gone beyond since the connection was made.
   * @param quiet whether no event came while the reading was under way
   */
  compare(reading: Reading, receives: (event: string) => boolean, quiet: boolean): Comparison {
    const meant = this.#meant(reading, receives);
    const current = this.#current;
    if (!meant) {
      if (current) current.content ??= NO_CONTENT;
      return 'same';
    }
    const match = meant.find((one) => anchorText(one) === anchorText(current?.context));
    if (!current || !match) {
      if (!current && meant.length === 0) return 'same';
      return this.#past.includes(markOf(meant[0])) ? 'past' : 'differs';
    }
    const ours = current.context.versionId;
    const whole = match.elements === reading.context;
    if (!whole || match.versionId === undefined || ours === undefined) {
      // Without versions only silence tells that the content is of now.
      if (whole && !quiet) return 'differs';
      current.content = whole ? contentOf(reading) : (current.content ?? NO_CONTENT);
      return 'same';
    }
    if (match.versionId === ours) {
      current.content ??= contentOf(reading);
      current.pending = [];
      return 'same';
    }
    if (!this.#past.includes(markOf(match))) return 'differs';
    if (current.content) {
      // Updates that came while it was under way led on from it. Otherwise the Hub should know what we know: an open that came
      // late may have taken us back.
      return !quiet && current.passed.includes(match.versionId) ? 'same' : 'past';
    }
    // The updates that came while the reading was under way complete it.
    current.content = completed(reading, current.pending, ours);
    return current.content ? 'same' : 'past';
  }

  /**
   * Takes a reading for the truth. The next events are compared with it.
   * @returns whether the current context is another one now
   */
  adopt(reading: Reading, receives: (event: string) => boolean): boolean {
    const meant = this.#meant(reading, receives);
    if (!meant) return false;
    const [context] = meant;
    if (!context) {
      const moved = this.#current !== undefined;
      this.#move(undefined, Number.NaN);
      this.#awaited = '';
      return moved;
    }
    const anchor = anchorText(context);
    const same = anchor === anchorText(this.current);
    const content = context.elements === reading.context ? contentOf(reading) : NO_CONTENT;
    const established = this.#ignored?.anchor === anchor ? this.#ignored.timestamp : Number.NaN;
    this.#move({ context, content, pending: [], passed: [] }, established);
    this.#ignored = undefined;
    this.#awaited = anchor;
    return !same;
  }

  /** The Hub did not send the current context again, and cannot be asked: it is open no more (SUB-8). */
  drop(): void {
    this.#move(undefined, Number.NaN);
  }
}

/** What tells one state of the current context from another. */
function markOf(context: Context | undefined): string {
  return context ? `${anchorText(context)}@${context.versionId ?? ''}` : '';
}

function contentOf(reading: Reading): Content {
  return applyEntries(NO_CONTENT, reading.content ?? []);
}

/** A reading's content brought to `version` by updates; undefined when one of them is missing. */
function completed(reading: Reading, updates: Anchor['pending'], version: string): Content | undefined {
  let at = reading.versionId;
  let content = contentOf(reading);
  for (const update of updates) {
    if (update.prior !== at) continue;
    content = applyEntries(content, update.entries);
    at = update.version;
  }
  return at === version ? content : undefined;
}
