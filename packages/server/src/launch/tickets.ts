/** One-time launch tickets: an app that speaks no OAuth gets Hub, topic and a token in one exchange (LAU-1). */
import { hash, randomBytes } from 'node:crypto';
import { buildTicketUrl, Scopes, topicIn } from '@lockstep/fhircast';
import type { Clock, Hub } from '@lockstep/hub';
import {
  type AuthorizationServer,
  type Client,
  isLaunchedWithoutSignIn,
  LAUNCHED_WITHOUT_SIGN_IN,
  type LaunchBinding,
  OAuthError,
  type TokenInfo,
  type UserProfile,
} from '@lockstep/smart';
import type { RecordStore } from '@lockstep/store';

/** How long a ticket may be redeemed, s. */
export const TICKET_LIFE = 60;
/** How long a ticket is known, s: who comes with a spent one meanwhile shows that somebody else has it, too. */
const KNOWN_LIFE = 600;

const KIND = 'launch-ticket';

/** What a ticket stands for. */
interface TicketRecord {
  readonly clientId: string;
  /** What it gives: it may have ended meanwhile. */
  readonly grantId: string;
  readonly topic: string;
  readonly scope: string;
  readonly binding: LaunchBinding;
  /** ms since the epoch, until when it may be redeemed. */
  readonly until: number;
  /** Its token was issued. */
  readonly taken?: true;
  /** It came a second time before its token was issued. */
  readonly replayed?: true;
}

export interface TicketRequest {
  readonly clientId: string;
  /** A reference, alias or sign-in name. A person's own token need not name one. */
  readonly user?: string;
  /** Without it, the user's latest session. */
  readonly topic?: string;
  readonly scope?: string;
}

export interface TicketAnswer {
  readonly ticket: string;
  readonly ticket_url: string;
  /** s. */
  readonly expires_in: number;
  readonly 'hub.url': string;
  readonly 'hub.topic': string;
}

/** A SMART token response, as far as such a launch has one. */
export interface TicketRedeemed {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** s. */
  readonly expires_in: number;
  readonly scope: string;
  readonly 'hub.url': string;
  readonly 'hub.topic': string;
}

export interface TicketParts {
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly hub: Hub;
  readonly hubUrl: string;
  readonly authorization: AuthorizationServer;
}

function refuse(description: string, status = 400, error = 'invalid_request'): OAuthError {
  return new OAuthError(error, description, status);
}

/** Only the digest is kept, so that a copy of the store opens nothing. */
function idOf(ticket: string): string {
  return hash('sha256', ticket, 'base64url');
}

/** Makes and redeems tickets. */
export class Tickets {
  readonly #parts: TicketParts;

  constructor(parts: TicketParts) {
    this.#parts = parts;
  }

  /**
   * A ticket for an outside caller that an administrator named as a launcher: a backend service with the scope `launch`, or
   * a person's application that may open sessions (`hub/session.write`), which hands on no more than it has. What the
   * ticket gives ends with the caller's access and its person's sign-in.
   * @throws OAuthError naming what does not fit; nothing is made then
   */
  async request(caller: TokenInfo, request: TicketRequest): Promise<TicketAnswer> {
    const { authorization } = this.#parts;
    if (caller.launched) throw refuse('an app that was launched by a ticket launches no other', 403, 'access_denied');
    if (!(await authorization.clients.get(caller.clientId))?.launcher) {
      throw refuse('an administrator has to name this client as a launcher first', 403, 'access_denied');
    }
    const person = caller.user !== undefined;
    if (person ? !caller.scopes.maySession('write') : !caller.scopes.has('launch')) {
      throw refuse(
        `a token with the scope ${person ? 'hub/session.write' : 'launch'} is needed`,
        403,
        'insufficient_scope',
      );
    }
    const name = request.user ?? caller.user;
    if (name === undefined) throw refuse('user is missing');
    const user = await authorization.users.resolve(name);
    if (!user || (person && user.reference !== caller.user)) throw refuse('user: there is no such user');
    const topic = await this.#sessionFor(caller, user, request.topic && topicIn(this.#parts.hubUrl, request.topic));
    const client = await this.clientOf(request.clientId);
    if (client.id === caller.clientId) throw refuse('client_id: a client does not launch itself');
    const binding = await authorization.launchTokens.bindingOf(caller);
    if (!binding) throw refuse('the access of the caller has ended', 401, 'invalid_token');
    return this.issue(client, user, topic, {
      binding,
      // Whether the token of a service was revoked cannot be known once it has run out.
      ...(!person && { until: caller.expiresAt }),
      ...(request.scope !== undefined && { scope: request.scope }),
      ...(person && { limit: caller.scopes }),
    });
  }

  /** A session of the user that the caller may join (SES-4, SES-6). */
  async #sessionFor(caller: TokenInfo, user: UserProfile, topic: string | undefined): Promise<string> {
    const { hub } = this.#parts;
    const listed = await hub.listSessions(caller, { user: user.reference });
    if (!listed.ok) throw refuse(listed.reason, listed.status, 'insufficient_scope');
    const own = listed.value.sessions.filter(({ info }) => info.user === user.reference);
    const found = topic === undefined ? own.at(-1)?.topic : own.find((one) => one.topic === topic)?.topic;
    if (found !== undefined) return found;
    if (topic !== undefined) throw refuse('topic: the user has no such session');
    const created = await hub.createSession(caller, { user: user.reference });
    if (!created.ok) throw refuse(`the user has no session, and none was made: ${created.reason}`);
    return created.value.topic;
  }

  /** The app, if it can be launched by a ticket. @throws OAuthError */
  async clientOf(id: string): Promise<Client> {
    const client = await this.#parts.authorization.clients.get(id);
    if (client?.status !== 'active') throw refuse('client_id: there is no such app');
    if (!isLaunchedWithoutSignIn(client)) {
      throw refuse(
        `client_id: the app is not registered for a launch without sign-in (${LAUNCHED_WITHOUT_SIGN_IN.join(', ')})`,
      );
    }
    return client;
  }

  /**
   * A ticket, for callers that have made sure that the user may be launched into the session.
   * @throws OAuthError when no scope is left to give
   */
  async issue(
    client: Client,
    user: UserProfile,
    topic: string,
    given: {
      readonly binding: LaunchBinding;
      readonly scope?: string;
      readonly limit?: Scopes;
      /** ms since the epoch, when the ticket ends at the latest. */
      readonly until?: number;
    },
  ): Promise<TicketAnswer> {
    const { records, clock, hubUrl, authorization } = this.#parts;
    if (!authorization.launchTokens.fits(client)) {
      throw refuse('client_id: the app has a key or secret of its own, and gets its tokens with that');
    }
    if (user.status !== 'active') throw refuse('user: there is no such user');
    const scope = authorization.launchTokens.scope(client, given.scope, given.limit);
    if (!new Scopes(scope).hasFhircast) throw refuse('scope: no FHIRcast scope is left to give', 400, 'invalid_scope');
    const ticket = randomBytes(32).toString('base64url');
    const { binding } = given;
    const now = clock.now();
    const until = Math.min(now + TICKET_LIFE * 1000, given.until ?? Number.POSITIVE_INFINITY);
    const grantId = await authorization.launchTokens.open(client, user, { topic, binding, until });
    const body = JSON.stringify({ clientId: client.id, grantId, topic, scope, binding, until } satisfies TicketRecord);
    await records.put(KIND, idOf(ticket), { body, expiresAt: now + KNOWN_LIFE * 1000 }, now, 'absent');
    await authorization.clients.noteLaunch(client.id);
    return {
      ticket,
      ticket_url: buildTicketUrl({ hubUrl, ticket }),
      expires_in: Math.floor((until - now) / 1000),
      'hub.url': hubUrl,
      'hub.topic': topic,
    };
  }

  /**
   * Redeems a ticket; of several at the same moment exactly one succeeds. One that comes again was seen by somebody else: what
   * it gave is revoked, as with an authorization code (AUT-6).
   * @returns undefined for a ticket that is unknown, spent or too old, or whose app, user, session or launcher is gone
   */
  async redeem(ticket: string): Promise<TicketRedeemed | undefined> {
    const { records, clock, hub, hubUrl, authorization } = this.#parts;
    const id = idOf(ticket);
    const stored = await records.get(KIND, id, clock.now());
    if (!stored) return undefined;
    if (!(await records.consume(KIND, id, clock.now()))) {
      await this.#replayed(id);
      return undefined;
    }
    const record = JSON.parse(stored.body) as TicketRecord;
    const { clientId, grantId, topic, scope, binding, until } = record;
    const client = clock.now() < until ? await authorization.clients.get(clientId) : undefined;
    if (client?.status !== 'active' || !isLaunchedWithoutSignIn(client) || !authorization.launchTokens.fits(client))
      return undefined;
    if (!(await hub.inspect(topic))) return undefined;
    const issued = await authorization.launchTokens.issue(client, { grantId, scope, binding });
    if (!issued) return undefined;
    // Consuming it was the one write since; any other means that the ticket came again.
    if (!(await this.#note(id, { ...record, taken: true }, stored.revision + 1))) await this.#end(grantId);
    return {
      access_token: issued.token,
      token_type: 'Bearer',
      expires_in: Math.floor((issued.expiresAt - clock.now()) / 1000),
      scope,
      'hub.url': hubUrl,
      'hub.topic': topic,
    };
  }

  async #note(id: string, record: TicketRecord, revision: number): Promise<boolean> {
    const { records, clock } = this.#parts;
    const now = clock.now();
    const kept = { body: JSON.stringify(record), expiresAt: now + KNOWN_LIFE * 1000 };
    return (await records.put(KIND, id, kept, now, revision)) !== undefined;
  }

  /** A spent ticket came again. */
  async #replayed(id: string): Promise<void> {
    const { records, clock } = this.#parts;
    for (;;) {
      const stored = await records.get(KIND, id, clock.now());
      if (!stored) return;
      const record = JSON.parse(stored.body) as TicketRecord;
      if (record.taken) {
        await this.#end(record.grantId);
        return;
      }
      if (record.replayed || (await this.#note(id, { ...record, replayed: true }, stored.revision))) return;
    }
  }

  #end(grantId: string): Promise<void> {
    return this.#parts.authorization.launchTokens.end(grantId, 'the ticket came again');
  }
}
