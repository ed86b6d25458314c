import { Scopes } from '@lockstep/fhircast';
import type { RecordStore } from '@lockstep/store';
import type { AdapterPayload } from 'oidc-provider';
import type { AuthorizationAddresses } from './addresses.ts';
import { allowedSessions, type Client } from './client.ts';
import type { Clients } from './clients.ts';
import type { Clock } from './ports.ts';
import { type Indexes, RecordRepository, type RecordWrite } from './repository.ts';
import { digest, randomToken } from './secrets.ts';
import type { AccessEnded, TokenInfo } from './token-info.ts';
import type { Users } from './users.ts';

/** How long a bearer check may go without asking the store again, ms: what another node revokes ends within this time. */
export const REMEMBERED_FOR = 2000;
const MAX_CACHED = 50_000;

/** Tokens that are listed of one client at most. */
const MOST_LISTED = 100;

/** What a user consented to, apart from scopes: given with every token of the grant (TOK-2, TOK-4). */
export interface GrantContext {
  readonly user: string;
  /** The user's FHIR resource. */
  readonly reference: string;
  readonly signIn: string;
  /** Whether the grant outlives the sign-in (TOK-4). */
  readonly offline: boolean;
  readonly patient?: string;
  readonly encounter?: string;
  /** References of further resources, such as `ImagingStudy/1`. */
  readonly fhirContext: readonly string[];
  readonly topics: readonly string[];
  readonly intent?: string;
  readonly tenant?: string;
  readonly needPatientBanner: boolean;
  /** ms since the epoch. */
  readonly grantedAt: number;
  /** Of a launch without OAuth (LAU-1): the access that launched it, which ends it. */
  readonly launched?: LaunchedBy;
}

/** The access that launched an app: a client, by a grant of a person or by a token of its own. */
export interface LaunchedBy {
  readonly client?: string;
  readonly grant?: string;
  readonly token?: string;
}

/** Who grants something, and the sign-in that it ends with. */
interface GrantedBy {
  readonly signInId: string;
  readonly user: { readonly id: string; readonly reference: string };
}

/** Index values by which the end of an access finds what it launched. */
function launcherKeys({ client, grant, token }: LaunchedBy): readonly string[] {
  return [
    ...(client === undefined ? [] : [`client ${client}`]),
    ...(grant === undefined ? [] : [`grant ${grant}`]),
    ...(token === undefined ? [] : [`token ${token}`]),
  ];
}

const LAUNCHER_ENDED = 'what launched the app has ended';

export interface GrantRecord {
  readonly payload: AdapterPayload;
  readonly context?: GrantContext;
}

/** A token as the store keeps it: under its digest, never itself. */
export interface TokenRecord {
  readonly kind: 'AccessToken' | 'ClientCredentials';
  readonly clientId: string;
  readonly grantId?: string;
  readonly scope?: string;
  /** s since the epoch. */
  readonly iat: number;
  readonly exp: number;
  /** Thumbprint of the key that it is bound to (RFC 9449). */
  readonly jkt?: string;
  readonly [field: string]: unknown;
}

export interface LiveToken {
  readonly tokenId: string;
  readonly scope: string;
  /** ms since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly user?: string;
}

interface Cached {
  readonly info: TokenInfo;
  readonly userId?: string;
  readonly checkedAt: number;
}

type Listener = (ended: AccessEnded) => void | Promise<void>;

/** What the listeners still do about what has ended. */
type Told = (void | Promise<void>)[];

/** Tokens and grants: what a bearer token stands for, and everything that ends it (TOK-6). */
export class BearerTokens {
  readonly tokens: RecordRepository<TokenRecord>;
  readonly refreshTokens: RecordRepository<AdapterPayload>;
  readonly codes: RecordRepository<AdapterPayload>;
  readonly grants: RecordRepository<GrantRecord>;
  /** Contexts of grants that the provider is about to save, by the grant's id: both are written as one. */
  readonly contexts = new Map<string, GrantContext>();
  readonly #clock: Clock;
  readonly #addresses: AuthorizationAddresses;
  readonly #directories: () => { clients: Clients; users: Users };
  readonly #cache = new Map<string, Cached>();
  readonly #listeners = new Set<Listener>();
  /** Grows with everything that ends access, so that a check that began before does not enter the cache after it. */
  #endings = 0;

  constructor(
    store: RecordStore,
    clock: Clock,
    addresses: AuthorizationAddresses,
    directories: () => { clients: Clients; users: Users },
  ) {
    this.#clock = clock;
    this.#addresses = addresses;
    this.#directories = directories;
    const byGrant = (payload: AdapterPayload): Indexes => (payload.grantId ? { grant: payload.grantId } : {});
    this.tokens = new RecordRepository<TokenRecord>(store, clock, 'access-token', (token) => ({
      client: token.clientId,
      ...(token.grantId ? { grant: token.grantId } : {}),
    }));
    this.refreshTokens = new RecordRepository(store, clock, 'refresh-token', byGrant);
    this.codes = new RecordRepository(store, clock, 'authorization-code', byGrant);
    this.grants = new RecordRepository<GrantRecord>(store, clock, 'grant', ({ payload, context }) => ({
      ...(payload.clientId ? { client: payload.clientId } : {}),
      ...(context ? { user: context.user, signIn: context.signIn } : {}),
      ...(context?.launched ? { launcher: launcherKeys(context.launched) } : {}),
    }));
  }

  /**
   * What a bearer token stands for. In memory while warm; anything that ends the token empties the memory first.
   * @returns undefined for a token that is unknown, expired, revoked, or whose client or user is not active
   */
  async verifyToken(bearer: string): Promise<TokenInfo | undefined> {
    const remembered = this.remembered(bearer);
    if (remembered) return remembered;
    for (;;) {
      const endings = this.#endings;
      const loaded = await this.#load(bearer);
      if (endings !== this.#endings) continue;
      if (!loaded) {
        this.#cache.delete(bearer);
        return undefined;
      }
      if (this.#cache.size >= MAX_CACHED) this.#cache.clear();
      this.#cache.set(bearer, loaded);
      return loaded.info;
    }
  }

  /** What a bearer token stands for that was found good lately; undefined where it has to be looked up. */
  remembered(bearer: string): TokenInfo | undefined {
    const cached = this.#cache.get(bearer);
    if (!cached) return undefined;
    const now = this.#clock.now();
    return now - cached.checkedAt < REMEMBERED_FOR && now < cached.info.expiresAt ? cached.info : undefined;
  }

  async #load(bearer: string): Promise<Cached | undefined> {
    if (bearer === '' || bearer.length > 512) return undefined;
    const tokenId = digest(bearer);
    const token = await this.tokens.get(tokenId);
    const now = this.#clock.now();
    if (!token || token.exp * 1000 <= now) return undefined;
    const { clients, users } = this.#directories();
    const client = await clients.get(token.clientId);
    if (client?.status !== 'active') return undefined;
    if (client.dpopBound && token.jkt === undefined) return undefined;
    const info = {
      tokenId,
      clientId: client.id,
      clientName: client.name,
      expiresAt: token.exp * 1000,
      switches: client.switches,
      ...(token.jkt === undefined ? {} : { jkt: token.jkt }),
    };
    if (!token.grantId) {
      const scopes = new Scopes(token.scope ?? '');
      const sessions = allowedSessions(client);
      return { checkedAt: now, info: { ...info, grantId: tokenId, scopes, userAliases: [], topics: [], sessions } };
    }
    const context = (await this.grants.get(token.grantId))?.context;
    const user = context && (await users.get(context.user));
    if (!context || user?.status !== 'active') return undefined;
    const scopes = new Scopes(token.scope ?? '');
    return {
      checkedAt: now,
      userId: user.id,
      info: {
        ...info,
        grantId: token.grantId,
        scopes,
        user: user.reference,
        userAliases: [user.id, ...user.aliases],
        fhirUser: this.#addresses.resource(user.reference),
        topics: scopes.hasFhircast ? context.topics : [],
        ...(context.launched ? { launched: true } : {}),
        ...(context.patient ? { patient: context.patient } : {}),
        ...(context.encounter ? { encounter: context.encounter } : {}),
      },
    };
  }

  /**
   * Makes a backend service's token (TOK-5).
   * @param life s
   * @param given.spend a write that must hold together with the token's own
   * @param given.jkt the key that the token is bound to
   * @returns undefined when it did not hold
   */
  async issueBackendToken(
    client: Client,
    scope: string,
    life: number,
    given: { readonly spend?: RecordWrite | undefined; readonly jkt?: string | undefined } = {},
  ): Promise<string | undefined> {
    const { spend, jkt } = given;
    const token = randomToken();
    const iat = Math.floor(this.#clock.now() / 1000);
    const record: TokenRecord = {
      kind: 'ClientCredentials',
      clientId: client.id,
      scope,
      iat,
      exp: iat + life,
      ...(jkt === undefined ? {} : { jkt }),
    };
    const write = this.tokens.write(digest(token), record, { expiresAt: record.exp * 1000 });
    return (await this.tokens.putAll(spend ? [spend, write] : [write])) ? token : undefined;
  }

  /**
   * Makes a token for a person at one of the server's own pages, without a page in between: what the page may do is the
   * server's decision. It ends with the sign-in.
   * @param life s
   */
  async issueUserToken(
    client: Client,
    person: GrantedBy,
    given: { readonly scope: string; readonly topics: readonly string[]; readonly life: number },
  ): Promise<{ readonly token: string; readonly expiresAt: number }> {
    const expiresAt = this.#endOfLife(given.life);
    const grantId = await this.openGrant(client, person, { topics: given.topics, expiresAt });
    return { token: await this.#issueGranted(client, grantId, given.scope, expiresAt), expiresAt };
  }

  /** Makes a grant of a person that has no token yet. @returns its id */
  async openGrant(
    client: Client,
    person: GrantedBy,
    given: {
      readonly topics: readonly string[];
      /** ms since the epoch. */
      readonly expiresAt: number;
      /** For a launch without OAuth. */
      readonly launched?: LaunchedBy;
    },
  ): Promise<string> {
    const grantId = randomToken();
    const grantedAt = this.#clock.now();
    const { expiresAt, topics, launched } = given;
    const context: GrantContext = {
      user: person.user.id,
      reference: person.user.reference,
      signIn: person.signInId,
      offline: false,
      fhirContext: [],
      topics,
      needPatientBanner: false,
      grantedAt,
      ...(launched ? { launched } : {}),
    };
    const iat = Math.floor(grantedAt / 1000);
    const exp = Math.floor(expiresAt / 1000);
    const payload = { clientId: client.id, accountId: person.user.id, exp, iat, jti: grantId };
    await this.grants.put(grantId, { payload, context }, { expiresAt });
    return grantId;
  }

  /**
   * Makes the token of a grant that was opened before, which lasts as long as the token from now on.
   * @param life s
   * @returns undefined when the grant has ended
   */
  async issueOpened(
    client: Client,
    grantId: string,
    given: { readonly scope: string; readonly life: number },
  ): Promise<{ readonly token: string; readonly expiresAt: number } | undefined> {
    const stored = await this.grants.find(grantId);
    if (!stored) return undefined;
    const expiresAt = this.#endOfLife(given.life);
    const { payload, ...rest } = stored.value;
    const lasting = { ...rest, payload: { ...payload, exp: Math.floor(expiresAt / 1000) } };
    if (!(await this.grants.put(grantId, lasting, { expiresAt, condition: stored.revision }))) return undefined;
    return { token: await this.#issueGranted(client, grantId, given.scope, expiresAt), expiresAt };
  }

  /** @param life s @returns ms since the epoch, at a whole second */
  #endOfLife(life: number): number {
    return (Math.floor(this.#clock.now() / 1000) + life) * 1000;
  }

  async #issueGranted(client: Client, grantId: string, scope: string, expiresAt: number): Promise<string> {
    const token = randomToken();
    const iat = Math.floor(this.#clock.now() / 1000);
    const exp = expiresAt / 1000;
    const record: TokenRecord = { kind: 'AccessToken', clientId: client.id, grantId, scope, iat, exp };
    await this.tokens.put(digest(token), record, { expiresAt });
    return token;
  }

  /** ms since the epoch until which a launching access lasts; undefined when it has ended (LAU-1). */
  async endOfLauncher({ client, grant, token }: LaunchedBy): Promise<number | undefined> {
    const launcher = client === undefined ? undefined : await this.#directories().clients.get(client);
    if (client !== undefined && !(launcher?.status === 'active' && launcher.launcher)) return undefined;
    if (token !== undefined && this.#clock.now() >= ((await this.tokens.find(token))?.expiresAt ?? 0)) return undefined;
    if (grant === undefined) return Number.POSITIVE_INFINITY;
    const stored = await this.grants.find(grant);
    return stored && (stored.expiresAt ?? Number.POSITIVE_INFINITY);
  }

  /** Ends what a client launched, which is no launcher any more (LAU-1). */
  async endLaunchedBy(clientId: string): Promise<void> {
    const told: Told = [];
    await this.#endLaunched({ client: clientId }, told);
    await Promise.all(told);
  }

  /** Ends what an access launched (LAU-1). */
  async #endLaunched(by: LaunchedBy, told: Told): Promise<void> {
    for (const key of launcherKeys(by)) {
      for (const { id } of await this.grants.findBy('launcher', key)) await this.#endGrant(id, LAUNCHER_ENDED, told);
    }
  }

  /** Some of the client's tokens that work now (REG-3): 100 of them are looked at. */
  async liveTokens(clientId: string): Promise<readonly LiveToken[]> {
    const live: LiveToken[] = [];
    for (const { id, value } of await this.tokens.findBy('client', clientId, { limit: MOST_LISTED })) {
      const context = value.grantId ? (await this.grants.get(value.grantId))?.context : undefined;
      if (value.grantId && !context) continue;
      live.push({
        tokenId: id,
        scope: value.scope ?? '',
        issuedAt: value.iat * 1000,
        expiresAt: value.exp * 1000,
        ...(context ? { user: context.reference } : {}),
      });
    }
    return live;
  }

  /** Ends a grant with all its tokens. Resolves once the listeners have done what they do about it. */
  async endGrant(grantId: string, reason: string): Promise<void> {
    const told: Told = [];
    await this.#endGrant(grantId, reason, told);
    await Promise.all(told);
  }

  async #endGrant(grantId: string, reason: string, told: Told): Promise<void> {
    const grant = await this.grants.get(grantId);
    this.#forget((info) => info.grantId === grantId);
    await this.grants.delete(grantId);
    await Promise.all([this.tokens, this.refreshTokens, this.codes].map((kind) => kind.deleteBy('grant', grantId)));
    this.#ended(
      told,
      {
        grantId,
        ...(grant?.payload.clientId ? { clientId: grant.payload.clientId } : {}),
        ...(grant?.context ? { user: grant.context.reference } : {}),
        reason,
      },
      (info) => info.grantId === grantId,
    );
    await this.#endLaunched({ grant: grantId }, told);
  }

  /** Ends one token by its id; a user's token takes its grant along (RFC 7009 section 2.1). @returns whether there was one */
  async endToken(tokenId: string, reason: string): Promise<boolean> {
    const token = await this.tokens.get(tokenId);
    if (!token) return false;
    if (token.grantId) {
      await this.endGrant(token.grantId, reason);
      return true;
    }
    this.#forget((info) => info.tokenId === tokenId);
    await this.tokens.delete(tokenId);
    const told: Told = [];
    this.#ended(told, { tokenId, clientId: token.clientId, reason }, (info) => info.tokenId === tokenId);
    await this.#endLaunched({ token: tokenId }, told);
    await Promise.all(told);
    return true;
  }

  /** Ends everything a client holds: it was suspended, deleted, or its registration changed. */
  async endClient(clientId: string, reason: string): Promise<void> {
    this.#forget((info) => info.clientId === clientId);
    const told: Told = [];
    for (const { id } of await this.grants.findBy('client', clientId)) await this.#endGrant(id, reason, told);
    await this.tokens.deleteBy('client', clientId);
    this.#ended(told, { clientId, reason }, (info) => info.clientId === clientId);
    await this.#endLaunched({ client: clientId }, told);
    await Promise.all(told);
  }

  /** Ends everything that was granted by a user. */
  async endUser(user: { readonly id: string; readonly reference: string }, reason: string): Promise<void> {
    const told: Told = [];
    for (const { id } of await this.grants.findBy('user', user.id)) await this.#endGrant(id, reason, told);
    this.#ended(told, { user: user.reference, reason }, (info) => info.user === user.reference);
    await Promise.all(told);
  }

  /** Ends what the user granted at other sign-ins than this one, with what those apps may do while the user is not signed in. */
  async endGrantsOfOtherSignIns(user: string, signIn: string, reason: string): Promise<void> {
    const told: Told = [];
    for (const { id, value } of await this.grants.findBy('user', user)) {
      if (value.context?.signIn !== signIn) await this.#endGrant(id, reason, told);
    }
    await Promise.all(told);
  }

  /**
   * The user signed out: grants that depend on the sign-in end. Those with `offline_access` lose the access tokens they
   * have, and with them their live subscriptions, but may be refreshed (TOK-4).
   */
  async endSignIn(signIn: string, reason: string): Promise<void> {
    const told: Told = [];
    for (const { id, value } of await this.grants.findBy('signIn', signIn)) {
      if (!value.context?.offline) {
        await this.#endGrant(id, reason, told);
        continue;
      }
      this.#forget((info) => info.grantId === id);
      await this.tokens.deleteBy('grant', id);
      this.#ended(
        told,
        {
          grantId: id,
          ...(value.payload.clientId ? { clientId: value.payload.clientId } : {}),
          user: value.context.reference,
          reason,
        },
        (info) => info.grantId === id,
      );
    }
    await Promise.all(told);
  }

  /** Another node has ended this access: forgets it here and calls this node's listeners. */
  invalidate(ended: AccessEnded): void {
    this.#ended(
      [],
      ended,
      (info) =>
        (ended.grantId === undefined || info.grantId === ended.grantId) &&
        (ended.clientId === undefined || info.clientId === ended.clientId) &&
        (ended.tokenId === undefined || info.tokenId === ended.tokenId) &&
        (ended.user === undefined || info.user === ended.user),
    );
  }

  /** What another node has ended may not have been announced here: nothing is known without the store. */
  doubt(): void {
    this.#forget(() => true);
  }

  /** Tells that access has ended that is kept elsewhere: that of a trusted issuer's tokens. */
  async tellEnded(ended: AccessEnded): Promise<void> {
    const told: Told = [];
    this.#ended(told, ended, () => false);
    await Promise.all(told);
  }

  onAccessEnded(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #forget(matches: (info: TokenInfo) => boolean): void {
    this.#endings += 1;
    for (const [bearer, { info }] of this.#cache) if (matches(info)) this.#cache.delete(bearer);
  }

  #ended(told: Told, ended: AccessEnded, matches: (info: TokenInfo) => boolean): void {
    this.#forget(matches);
    for (const listener of this.#listeners) told.push(listener(ended));
  }
}
