/** Topics that apps compute themselves, since they are not launched (LAU-2). */
import { nameKey, openDerivedTopic } from '@lockstep/fhircast';
import type { Access, Clock, DerivedTopics, HubSessions, ResolvedTopic } from '@lockstep/hub';
import { proofTimes } from '@lockstep/smart';
import type { RecordStore } from '@lockstep/store';
import { TopicSecrets } from './topic-secrets.ts';

/** How far a new topic's time may be from now, ms: clocks of workstations differ. */
export const NONCE_WINDOW = 5 * 60_000;
/** How long a topic stays its subscriber's after it last subscribed with it, ms. */
const BINDING_LIFE = 7 * 24 * 3_600_000;

const KIND = 'topic-nonce';
/** Held by the node that opens a user's session. */
const OPENING = 'topic-opening';
/** For how long it may be held, ms; a node that died holding it must not keep the others. */
const OPENING_LIFE = 10_000;
/** Between two looks at what another node opens, ms. */
const OPENING_POLL = 50;
/** The shortest that a name, a nonce, an iv and a tag can be in base64url, and longer than any name. */
const FORM = /^[A-Za-z0-9_-]{80,1024}$/;

/** What a nonce was used for. */
interface Binding {
  readonly subscriber: string;
  readonly topic: string;
}

export interface DerivedTopicParts {
  readonly records: RecordStore;
  readonly clock: Clock & { wall?(): number };
  readonly hub: HubSessions;
}

function refuse(status: number, reason: string): ResolvedTopic {
  return { ok: false, status, reason };
}

const OTHERS = refuse(403, 'The derived hub.topic was used by another subscriber before: derive a new one');
const ENDED = refuse(403, 'The session of the derived hub.topic has ended: derive a new one');

/** Who a topic belongs to: an app, the person and grant it acts for, and the name it subscribed under. */
function subscriberKey({ clientId, user, grantId }: Access, name: string): string {
  // A backend service has another grant with every token.
  return JSON.stringify([clientId, user ?? '', user === undefined ? '' : grantId, name]);
}

/** Decrypts topics to sessions: each topic once, within its time, for one subscriber. */
export class DerivedTopicDirectory implements DerivedTopics {
  readonly #parts: DerivedTopicParts;
  readonly #secrets: TopicSecrets;
  /** Sessions that are being opened here, by user: two apps that start at once are to meet in one. */
  readonly #opening = new Map<string, Promise<ResolvedTopic>>();

  constructor(parts: DerivedTopicParts) {
    this.#parts = parts;
    this.#secrets = new TopicSecrets(parts.records, () => parts.clock.now());
  }

  async resolve(topic: string, access: Access, subscriber?: string): Promise<ResolvedTopic | undefined> {
    if (!FORM.test(topic)) return undefined;
    const secret = await this.#secrets.of(access.clientId);
    const opened = secret === undefined ? undefined : await openDerivedTopic(topic, secret);
    if (!opened) return undefined;
    const id = `${access.clientId} ${opened.nonce}`;
    const key = subscriber === undefined ? undefined : subscriberKey(access, subscriber);
    const bound = await this.#bound(id);
    if (bound) return this.#again(id, bound, key);
    if (!proofTimes(this.#parts.clock).some((now) => Math.abs(now - opened.issuedAt) <= NONCE_WINDOW)) {
      return refuse(403, "The derived hub.topic's time is not now: derive a new one, and check the clock");
    }
    const session = await this.#sessionOf(opened.user, access, key !== undefined);
    if (!session.ok || key === undefined) return session;
    if (await this.#bind(id, { subscriber: key, topic: session.value }, 'absent')) return session;
    // Somebody else came first with the same topic.
    const winner = await this.#bound(id);
    return winner ? this.#again(id, winner, key) : OTHERS;
  }

  async #bound(id: string): Promise<Binding | undefined> {
    const record = await this.#parts.records.get(KIND, id, this.#parts.clock.now());
    return record && (JSON.parse(record.body) as Binding);
  }

  async #bind(id: string, binding: Binding, condition?: 'absent'): Promise<boolean> {
    const now = this.#parts.clock.now();
    const record = { body: JSON.stringify(binding), expiresAt: now + BINDING_LIFE };
    return (await this.#parts.records.put(KIND, id, record, now, condition)) !== undefined;
  }

  /** The topic is known; who subscribes with it must be who did before. */
  async #again(id: string, bound: Binding, key: string | undefined): Promise<ResolvedTopic> {
    if (key !== undefined && key !== bound.subscriber) return OTHERS;
    if (!(await this.#parts.hub.inspect(bound.topic))) return ENDED;
    if (key !== undefined) await this.#bind(id, bound);
    return { ok: true, value: bound.topic };
  }

  /** The user's latest session; a new one where the caller may open it (SES-2). */
  async #sessionOf(user: string, access: Access, mayOpen: boolean): Promise<ResolvedTopic> {
    const name = user.trim();
    // A placeholder stands for every user (SES-3), not for this one.
    if (name === '' || name === '?') return refuse(404, 'There is no such hub.topic');
    const opening = this.#opening.get(name);
    if (opening) return opening;
    const found = this.#findOrOpen(name, access, mayOpen).finally(() => this.#opening.delete(name));
    if (mayOpen) this.#opening.set(name, found);
    return found;
  }

  async #findOrOpen(user: string, access: Access, mayOpen: boolean): Promise<ResolvedTopic> {
    const latest = await this.#latest(user);
    if (latest) return latest;
    if (!mayOpen) return refuse(404, 'There is no such hub.topic');
    // The others on this node wait already; of several nodes one opens the session.
    const { records, clock } = this.#parts;
    const id = nameKey(user);
    for (;;) {
      const now = clock.now();
      const record = { body: '{}', expiresAt: now + OPENING_LIFE };
      if ((await records.put(OPENING, id, record, now, 'absent')) !== undefined) break;
      await new Promise<void>((resolve) => clock.after(OPENING_POLL, resolve));
      const opened = await this.#latest(user);
      if (opened) return opened;
    }
    try {
      return (await this.#latest(user)) ?? (await this.#open(user, access));
    } finally {
      await records.delete(OPENING, id);
    }
  }

  async #latest(user: string): Promise<ResolvedTopic | undefined> {
    const latest = (await this.#parts.hub.sessions({ user })).at(-1);
    return latest && { ok: true, value: latest.topic };
  }

  async #open(user: string, access: Access): Promise<ResolvedTopic> {
    const opened = await this.#parts.hub.createSession(access, { user });
    if (opened.ok) return { ok: true, value: opened.value.topic };
    return refuse(404, `The user of the derived hub.topic has no session, and none was made: ${opened.reason}`);
  }
}
