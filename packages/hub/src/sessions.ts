import { type CurrentContext, parseReference } from '@lockstep/fhircast';
import { mayJoin, mayOpen } from './access.ts';
import { type Answer, NO_TOPIC, type Refusal, refuse } from './answer.ts';
import { currentContext } from './context.ts';
import { userKey, workstationKey } from './index-keys.ts';
import { changedAt, fromParts, HEAD_PART } from './parts.ts';
import type { Access } from './ports.ts';
import type { Runtime } from './runtime.ts';
import { newSession, type SessionInfo, type SessionState, type Subscription } from './state.ts';

/** Sessions of a list that are read at the same time. */
const LISTED_AT_ONCE = 64;

/** A session as it is listed (SES-3). */
export interface SessionListing {
  readonly topic: string;
  readonly info: SessionInfo;
  readonly subscribers: readonly {
    readonly name: string;
    readonly connected: boolean;
    readonly events: readonly string[];
  }[];
  /** Where the caller's scopes allow reading it. */
  readonly context?: CurrentContext;
}

/** Whether a topic that a subscriber made up can be part of an address; guessing it is the subscriber's own risk. */
function isTopicName(name: string): boolean {
  return /^[A-Za-z0-9._~:-]{1,256}$/.test(name) && name !== 'session';
}

/** SES-3: `?user=?` in the first drafts' text is a placeholder. */
function given(filter: string | undefined): string | undefined {
  const text = filter?.trim();
  return text && text !== '?' ? text : undefined;
}

/** `https://ehr/fhir/Practitioner/1` and `Practitioner/1` are the same user. */
function userName(name: string): string {
  const key = parseReference(name);
  return key ? `${key.type}/${key.id}` : name;
}

/** Who opens, finds, joins and ends sessions (SES). */
export class Sessions {
  readonly #runtime: Runtime;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Opens a session without asking for permission: for sign-in and other callers in this process (SES-1). */
  async open(session: {
    readonly user: string;
    readonly aliases?: readonly string[];
    readonly workstation?: string;
    readonly label?: string;
    /** A topic computed elsewhere (LAU-2); otherwise one is minted. */
    readonly topic?: string;
  }): Promise<{ readonly topic: string; readonly info: SessionInfo }> {
    const { workstation, label } = session;
    const known = await this.#runtime.ports.users?.resolve(userName(session.user));
    const info: SessionInfo = {
      user: known?.user ?? userName(session.user),
      aliases: [...new Set([...(known?.aliases ?? []), ...(session.aliases ?? [])])],
      ...(workstation && { workstation }),
      ...(label && { label }),
      startedAt: this.#runtime.ports.clock.now(),
    };
    const name = session.topic ?? this.#runtime.ports.ids.uuid();
    const topic = this.#runtime.topics.of(name);
    if (!(await topic.run(() => topic.create(newSession(name, info))))) throw new Error('The topic is taken');
    this.#runtime.observe(name, { kind: 'session-started' });
    return { topic: name, info };
  }

  /** `POST {hub.url}/session` (SES-2). A user's own token may leave the user out. */
  async create(
    access: Access,
    body: { readonly user?: string; readonly workstation?: string; readonly label?: string },
  ): Promise<Answer<{ readonly topic: string; readonly info: SessionInfo }>> {
    if (!access.scopes.maySession('write')) return refuse(403, 'The token lacks the scope hub/session.write');
    const name = given(body.user) ?? access.user;
    if (!name) return refuse(400, 'user is missing: a reference such as Practitioner/123, or an alias');
    const known = await this.#runtime.ports.users?.resolve(userName(name));
    const user = known?.user ?? userName(name);
    const aliases = known?.aliases ?? [];
    const session = { user, aliases, ...(body.workstation && { workstation: body.workstation }) };
    if (!mayOpen(access, session)) return refuse(403, 'The token may not open a session for this user and workstation');
    return { ok: true, value: await this.open({ ...session, ...(body.label && { label: body.label }) }) };
  }

  async #candidates(access: Access | undefined, user?: string, workstation?: string): Promise<readonly string[]> {
    const { store } = this.#runtime.ports;
    if (user) {
      // The person may have got this name after the session was opened (SES-7).
      const known = await this.#runtime.ports.users?.resolve(userName(user));
      const keys = new Set([userName(user), ...(known ? [known.user] : [])].map(userKey));
      const found = await Promise.all([...keys].map((key) => store.lookup(key)));
      return [...new Set(found.flat())];
    }
    if (workstation) return store.lookup(workstationKey(workstation));
    if (!access?.user) return store.lookup('all');
    return [...new Set([...(await store.lookup(userKey(access.user))), ...access.topics])];
  }

  #listing(state: SessionState, context?: CurrentContext): SessionListing {
    return {
      topic: state.topic,
      info: state.info,
      subscribers: this.unexpired(state).map((subscription) => ({
        name: subscription.subscriberName,
        connected: this.#isConnected(state.topic, subscription),
        events: subscription.events,
      })),
      ...(context && { context }),
    };
  }

  /** Whether the subscriber can be reached now; of another node's it is only known that the node lives. */
  #isConnected(topic: string, { id, node }: Subscription): boolean {
    const live = this.#runtime.topics.live(topic);
    if (live?.audience.links.has(id) || live?.audience.hooks.has(id)) return true;
    return (
      node !== undefined && node !== this.#runtime.options.nodeId && (this.#runtime.ports.nodes?.alive(node) ?? false)
    );
  }

  /** Subscriptions whose lease has not ended, though nobody may have noticed yet. */
  unexpired(state: SessionState): readonly Subscription[] {
    const now = this.#runtime.ports.clock.now();
    return [...state.subscriptions.values()].filter(({ expiresAt }) => expiresAt > now);
  }

  /** Sessions that the access is good for; without one, all of them. */
  async all(
    access: Access | undefined,
    filter: { readonly user?: string; readonly workstation?: string },
  ): Promise<readonly SessionListing[]> {
    const user = given(filter.user);
    const workstation = given(filter.workstation);
    const list: SessionListing[] = [];
    const topics = await this.#candidates(access, user, workstation);
    const states: (SessionState | undefined)[] = [];
    for (let i = 0; i < topics.length; i += LISTED_AT_ONCE) {
      const some = topics.slice(i, i + LISTED_AT_ONCE);
      states.push(...(await Promise.all(some.map((topic) => this.#runtime.topics.load(topic)))));
    }
    for (const state of states) {
      if (!state || (access && !mayJoin(access, state.topic, state.info))) continue;
      const here = state.info.workstation?.toLowerCase();
      if (workstation && here !== workstation.toLowerCase()) continue;
      const mayRead = (event: string): boolean => access?.scopes.mayReceive(event) ?? true;
      const reads = !access || access.scopes.readsFhircast;
      list.push(
        this.#listing(state, reads ? currentContext(state, mayRead, this.#runtime.options.profile) : undefined),
      );
    }
    return list.sort((a, b) => a.info.startedAt - b.info.startedAt);
  }

  /** `GET {hub.url}/session` (SES-3, SES-4). */
  async list(
    access: Access,
    filter: { readonly user?: string; readonly workstation?: string },
  ): Promise<Answer<readonly SessionListing[]>> {
    if (!access.scopes.maySession('read') && !access.scopes.hasFhircast) {
      return refuse(403, 'The token lacks the scope hub/session.read');
    }
    return { ok: true, value: await this.all(access, filter) };
  }

  /** `DELETE {hub.url}/session/{topic}` (SES-5). */
  async delete(access: Access, topic: string): Promise<Answer<undefined>> {
    if (!access.scopes.maySession('write')) return refuse(403, 'The token lacks the scope hub/session.write');
    const state = await this.#runtime.topics.load(topic);
    if (!state || !mayJoin(access, topic, state.info)) return NO_TOPIC;
    await this.end(topic, 'The session was ended');
    return { ok: true, value: undefined };
  }

  /** Denies all subscriptions, closes their sockets, erases contexts and content (SES-5). */
  async end(name: string, reason: string): Promise<void> {
    const topic = this.#runtime.topics.of(name);
    await topic.run(async () => {
      for (const subscription of (await topic.current())?.subscriptions.values() ?? []) {
        if (subscription.channel === 'webhook')
          this.#runtime.later(async () => this.#runtime.webhooks?.deny(name, subscription, reason));
      }
      topic.endAll(reason);
      if (await this.#runtime.ports.store.erase(name)) this.#runtime.observe(name, { kind: 'session-ended', reason });
    });
    if (topic.idle) this.#runtime.topics.delete(name);
  }

  /** Ends the sessions that nobody is connected to and nothing has happened in for the idle time (SES-5). */
  async endIdle(): Promise<void> {
    const before = this.#runtime.ports.clock.now() - this.#runtime.options.idleMs;
    for (const { topic, part } of await this.#runtime.ports.store.listParts('all', HEAD_PART)) {
      if (changedAt(part) > before) continue;
      // As stored, not as seen here: another node may have been subscribed to just now.
      const stored = await this.#runtime.ports.store.load(topic);
      const subscriptions = stored ? [...fromParts(topic, stored.parts).subscriptions.values()] : [];
      const now = this.#runtime.ports.clock.now();
      if (stored && !subscriptions.some(({ expiresAt }) => expiresAt > now)) {
        await this.end(topic, 'The session was idle');
      }
    }
  }

  /** The session, if the token is good for it: one answer for what does not exist and what is not the caller's (SES-6). */
  async joined(access: Access, name: string, create = false): Promise<SessionState | undefined> {
    const topic = this.#runtime.topics.of(name);
    let state = await topic.run(() => topic.current());
    if (!state && create && this.#runtime.options.createsSessions) {
      await this.#startSession(access, name);
      state = await topic.run(() => topic.state());
    }
    if (!state) this.#runtime.topics.dropUnknown(topic);
    return state && mayJoin(access, name, state.info) ? state : undefined;
  }

  /** SUB-12: why no session can be created for a topic, where subscriptions create them; undefined where one can. */
  unusable(name: string): Refusal | undefined {
    if (!this.#runtime.options.createsSessions || isTopicName(name)) return undefined;
    return refuse(400, 'hub.topic must be 1 to 256 letters, digits and . _ ~ : - to start a session');
  }

  /** SUB-12: the session belongs to the token's user; a backend service without one is its own user. */
  async #startSession(access: Access, name: string): Promise<void> {
    const info: SessionInfo = {
      user: access.user ?? access.clientId,
      aliases: access.userAliases,
      startedAt: this.#runtime.ports.clock.now(),
    };
    if (!mayOpen(access, info) || !isTopicName(name)) return;
    const topic = this.#runtime.topics.of(name);
    // Somebody else may have been first.
    if (await topic.run(() => topic.create(newSession(name, info))))
      this.#runtime.observe(name, { kind: 'session-started' });
  }

  /**
   * The Hub's own topic for the one that a caller wrote (LAU-2).
   * @param subscriber name of who subscribes; see `DerivedTopics`
   */
  async ownTopic(access: Access, written: string, subscriber?: string): Promise<Answer<string>> {
    const own = { ok: true, value: written } as const;
    if (!this.#runtime.ports.derivedTopics || this.#runtime.topics.has(written)) return own;
    return (await this.#runtime.ports.derivedTopics.resolve(written, access, subscriber)) ?? own;
  }
}
