import { type NotFollowing, parseReference } from '@lockstep/fhircast';
import type { SessionStore } from '@lockstep/store';
import type { LiveSessions } from '../live/live-sessions.ts';
import type { Clock, Ids, Nodes, UserDirectory } from '../ports.ts';
import type { Begin, Decision } from '../rules/commands.ts';
import { currentContext, currentContextJson } from '../rules/current-context.ts';
import { notFollowing } from '../rules/following.ts';
import { unexpired } from '../rules/lease.ts';
import { type Access, isSameName, mayJoin } from '../rules/permission.ts';
import type { Policy } from '../rules/policy.ts';
import { type Rejection, refuse } from '../rules/reasons.ts';
import { cannotWriteSessions, isTopicName } from '../rules/session.ts';
import type { SessionInfo, SessionState, Subscription } from '../rules/session-state.ts';
import {
  guestKey,
  isUnder,
  startedByKey,
  startedForKey,
  startedFromKey,
  userKey,
  workstationKey,
} from '../stored/index-keys.ts';
import { changedAt, HEAD_PART } from '../stored/session-record.ts';
import { type Answer, answerOf } from './answers.ts';
import type { Topics } from './topics.ts';

/** Sessions that are looked at for a page of a list. */
const PAGE = 100;
/** What a page begins after: the number of an index key, and where its topics go on. */
const AFTER = /^\d{1,4}-\d{0,20}$/;
const FIRST = '0-';

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
  /** Who does not follow the context (ERR-8). */
  readonly notFollowing: readonly NotFollowing[];
  /** The current context as JSON, where the caller's scopes allow reading it. */
  readonly context?: string;
}

export interface SessionFilter {
  readonly user?: string;
  readonly workstation?: string;
  /** `next` of the page before. */
  readonly after?: string;
}

/** A part of a list of sessions. */
export interface SessionPage {
  /** Those that were started first come first. */
  readonly sessions: readonly SessionListing[];
  /** Undefined on the last page. */
  readonly next?: string;
}

/** A session that was started. */
export interface Started {
  readonly topic: string;
  readonly info: SessionInfo;
}

export interface SessionsParts {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly users?: UserDirectory | undefined;
  readonly nodes?: Nodes | undefined;
  readonly nodeId: string;
  readonly policy: Policy;
  readonly live: LiveSessions;
  readonly topics: Topics;
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

/** Who starts, finds, joins and ends sessions (SES). */
export class Sessions {
  readonly #parts: SessionsParts;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
  }

  /** Starts a session without asking for permission: for sign-in and other callers in this process (SES-1). */
  async open(session: {
    readonly user: string;
    readonly aliases?: readonly string[];
    readonly workstation?: string;
    readonly label?: string;
    /** A topic computed elsewhere (LAU-2); otherwise one is minted. */
    readonly topic?: string;
  }): Promise<Started> {
    const { topic = this.#parts.ids.uuid(), aliases = [], ...where } = session;
    const decision = await this.#begin({ kind: 'begin', topic, info: await this.#info(where, aliases) });
    if (!decision.ok || !decision.state) throw new Error(decision.ok ? 'The session ended' : decision.reason);
    return { topic, info: decision.state.info };
  }

  /** The person behind a name, and whether the server knows one (SES-7, SES-8). */
  async #info(
    { user, workstation, label }: { user: string; workstation?: string; label?: string },
    aliases: readonly string[] = [],
  ): Promise<Begin['info']> {
    const { users } = this.#parts;
    const known = await users?.resolve(userName(user));
    return {
      user: known?.user ?? userName(user),
      aliases: [...new Set([...(known?.aliases ?? []), ...aliases])],
      ...(workstation && { workstation }),
      ...(label && { label }),
      ...(users && !known && { known: false as const }),
    };
  }

  #begin(begin: Begin): Promise<Decision> {
    return this.#parts.live.of(begin.topic).execute(begin);
  }

  /** Starts a session for a client, which may have started its share already (SUB-13). */
  async #beginFor(access: Access, topic: string, info: Begin['info']): Promise<Decision> {
    const { store, policy } = this.#parts;
    const { clientId, address } = access;
    const [byClient, forUser, fromAddress] = await Promise.all([
      store.count(startedByKey(clientId), policy.maxSessionsPerClient),
      store.count(startedForKey(clientId, info.user), policy.maxSessionsPerUser),
      address === undefined ? 0 : store.count(startedFromKey(address), policy.maxSessionsPerAddress),
    ]);
    return this.#begin({ kind: 'begin', topic, info, access, started: { byClient, forUser, fromAddress } });
  }

  /** `POST {hub.url}/session` (SES-2). A user's own token may leave the user out. */
  async create(
    access: Access,
    body: { readonly user?: string; readonly workstation?: string; readonly label?: string },
  ): Promise<Answer<Started>> {
    const { ids, policy } = this.#parts;
    const version = policy.profile.name;
    const unable = cannotWriteSessions(access);
    if (unable) return answerOf(unable, version);
    const user = given(body.user) ?? access.user;
    if (!user) {
      const reason = 'user is missing: a reference such as Practitioner/123, or an alias';
      return answerOf(refuse('user-missing', reason), version);
    }
    const info = await this.#info({ ...body, user });
    const topic = ids.uuid();
    const decision = await this.#beginFor(access, topic, info);
    if (!decision.ok) {
      this.#parts.live.dropUnused(this.#parts.live.of(topic));
      return answerOf(decision, version);
    }
    if (!decision.state) throw new Error('A session that was started has a state');
    return { ok: true, value: { topic, info: decision.state.info } };
  }

  /** Index keys that the sessions of a list are found under, each session under one of them at least. */
  async #listKeys(access: Access | undefined, user?: string, workstation?: string): Promise<readonly string[]> {
    if (user) {
      // The person may have got this name after the session was started (SES-7).
      const known = await this.#parts.users?.resolve(userName(user));
      return [...new Set([userName(user), ...(known ? [known.user] : [])].map(userKey))];
    }
    if (workstation) return [workstationKey(workstation)];
    if (access?.user) return [userKey(access.user), guestKey(access.user)];
    const { users, workstations } = typeof access?.sessions === 'object' ? access.sessions : {};
    return users?.map(userKey) ?? workstations?.map(workstationKey) ?? ['all'];
  }

  /** Some sessions of a list: those of one key after those of another. */
  async #candidates(keys: readonly string[], after: string): Promise<{ states: SessionState[]; next?: string }> {
    const { store, live } = this.#parts;
    const [first = '', from] = after.split('-');
    const states: SessionState[] = [];
    let [at, cursor] = [Number(first), from || undefined];
    for (let looked = 0; at < keys.length && looked < PAGE; ) {
      const key = keys[at] as string;
      const { topics, next } = await store.lookupPage(key, cursor, PAGE - looked);
      looked += topics.length;
      for (let i = 0; i < topics.length; i += LISTED_AT_ONCE) {
        const some = await Promise.all(topics.slice(i, i + LISTED_AT_ONCE).map((topic) => live.load(topic)));
        const listed = (state: SessionState): boolean => keys.slice(0, at).some((before) => isUnder(state, before));
        states.push(...some.filter((state) => state !== undefined).filter((state) => !listed(state)));
      }
      [at, cursor] = next === undefined ? [at + 1, undefined] : [at, next];
    }
    return { states, ...(at < keys.length && { next: `${at}-${cursor ?? ''}` }) };
  }

  #listing(state: SessionState, mayRead: (event: string) => boolean, context?: string): SessionListing {
    return {
      topic: state.topic,
      info: state.info,
      subscribers: unexpired(state, this.#parts.clock.now()).map((subscription) => ({
        name: subscription.subscriberName,
        connected: this.#isConnected(state.topic, subscription),
        events: subscription.events,
      })),
      notFollowing: notFollowing(state, mayRead),
      ...(context !== undefined && { context }),
    };
  }

  /** Whether the subscriber can be reached now; of another node's it is only known that the node lives. */
  #isConnected(topic: string, { id, node, presence }: Subscription): boolean {
    const { live, nodeId, nodes } = this.#parts;
    const audience = live.live(topic)?.audience;
    if (audience?.sockets.has(id) || audience?.callbacks.has(id)) return true;
    if (presence && presence.is !== 'connected') return false;
    return node !== undefined && node !== nodeId && (nodes?.alive(node) ?? false);
  }

  /** Some of the sessions that the access is good for; without one, of all. */
  async #page(access: Access | undefined, filter: SessionFilter): Promise<SessionPage> {
    const { live, policy } = this.#parts;
    const user = given(filter.user);
    const workstation = given(filter.workstation);
    const { after = FIRST } = filter;
    const list: SessionListing[] = [];
    const { states, next } = await this.#candidates(await this.#listKeys(access, user, workstation), after);
    // What came with the token comes first, and once.
    const handed = user || workstation ? [] : (access?.topics ?? []);
    const others = states.filter(({ topic }) => !handed.includes(topic));
    const own = after === FIRST ? await Promise.all(handed.map((topic) => live.load(topic))) : [];
    const seen = new Set<string>();
    for (const state of [...own, ...others]) {
      if (!state || seen.has(state.topic) || (access && !mayJoin(access, state.topic, state.info))) continue;
      seen.add(state.topic);
      if (workstation && !isSameName(state.info.workstation, workstation)) continue;
      const reads = !access || access.scopes.readsFhircast;
      const mayRead = (event: string): boolean => reads && (access?.scopes.mayReceive(event) ?? true);
      const context = reads ? currentContextJson(currentContext(state, mayRead, policy.profile)) : undefined;
      list.push(this.#listing(state, mayRead, context));
    }
    list.sort((a, b) => a.info.startedAt - b.info.startedAt);
    return { sessions: list, ...(next !== undefined && { next }) };
  }

  /** All sessions that the filter finds, page by page: for callers in this process. */
  async all(filter: SessionFilter): Promise<readonly SessionListing[]> {
    const list: SessionListing[] = [];
    for (let after: string | undefined = FIRST; after !== undefined; ) {
      const page: SessionPage = await this.#page(undefined, { ...filter, after });
      list.push(...page.sessions);
      after = page.next;
    }
    return list.sort((a, b) => a.info.startedAt - b.info.startedAt);
  }

  /** `GET {hub.url}/session` (SES-3, SES-4). */
  async list(access: Access, filter: SessionFilter): Promise<Answer<SessionPage>> {
    if (!access.scopes.maySession('read') && !access.scopes.hasFhircast) {
      const refusal = refuse('scope-missing', 'The token lacks the scope hub/session.read');
      return answerOf(refusal, this.#parts.policy.profile.name);
    }
    if (filter.after !== undefined && !AFTER.test(filter.after)) {
      const refusal = refuse('invalid', 'after must be that of the link to the next page');
      return answerOf(refusal, this.#parts.policy.profile.name);
    }
    return { ok: true, value: await this.#page(access, filter) };
  }

  /** `DELETE {hub.url}/session/{topic}` (SES-5). */
  async delete(access: Access, topic: string): Promise<Answer<undefined>> {
    const own = await this.#parts.topics.own(access, topic);
    if (!own.ok) return own;
    const decision = await this.#end(own.value, { kind: 'end', access, reason: 'The session was ended' });
    return decision.ok ? { ok: true, value: undefined } : answerOf(decision, this.#parts.policy.profile.name);
  }

  /** Denies all subscriptions, closes their sockets, erases contexts and content (SES-5). */
  async end(topic: string, reason: string): Promise<void> {
    await this.#end(topic, { kind: 'end', reason });
  }

  async #end(
    topic: string,
    command: { readonly kind: 'end'; readonly access?: Access; readonly reason: string; readonly ifIdle?: true },
  ): Promise<Decision> {
    const { live } = this.#parts;
    const session = live.of(topic);
    const decision = await session.execute(command);
    live.dropUnused(session);
    return decision;
  }

  /** Ends the sessions that no subscriber is connected to and where nothing has happened in for the idle time (SES-5). */
  async endIdle(): Promise<void> {
    const { store, clock, policy } = this.#parts;
    const before = clock.now() - policy.idleMs;
    for (const { topic, part } of await store.listParts('all', HEAD_PART)) {
      if (changedAt(part) > before) continue;
      await this.#end(topic, { kind: 'end', reason: 'The session was idle', ifIdle: true });
    }
  }

  /**
   * SUB-12: starts the session of a topic, for the token's user; a backend service without one is its own user.
   * @returns why not, where the client or its address has started its share already (SUB-13)
   */
  async startFor(access: Access, topic: string): Promise<Rejection | undefined> {
    if (!this.#parts.policy.createsSessions || !isTopicName(topic)) return undefined;
    const info = await this.#info({ user: access.user ?? access.clientId }, access.userAliases);
    const decision = await this.#beginFor(access, topic, info);
    // Somebody else may have been first; what else is in the way, the subscription itself will say.
    return !decision.ok && decision.code === 'too-many-sessions' ? decision : undefined;
  }
}
