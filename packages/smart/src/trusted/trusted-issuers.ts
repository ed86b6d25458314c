import type { KeyObject } from 'node:crypto';
import { isPlainText, isWrittenAsCompared, Scopes, textOf } from '@lockstep/fhircast';
import type { RecordStore } from '@lockstep/store';
import { type JWTClaimVerificationOptions, type JWTPayload, UnsecuredJWT } from 'jose';
import type { AuthorizationAddresses } from '../addresses.ts';
import { OAuthError } from '../oauth-error.ts';
import { type Claims, claimAt } from '../outside/claims.ts';
import type { AuditEntry, Clock } from '../ports.ts';
import { RecordRepository } from '../repository.ts';
import { type CanEverOpen, grantableScopes, withoutUseless } from '../scope-policy.ts';
import { digest } from '../secrets.ts';
import { type JwsParts, jwsParts, readPart, signatureFits } from '../signatures.ts';
import type { AccessEnded, TokenInfo } from '../token-info.ts';
import type { UserProfile, Users } from '../users.ts';
import { fromWall, proofTimes, wallTime } from '../wall-time.ts';
import { fetchJson, IssuerKeys, IssuerUnavailable, TRUST_FOR } from './issuer-keys.ts';
import { askedAbout, type TrustedIssuer } from './options.ts';
import { Questions } from './questions.ts';
import { ShortMemory } from './short-memory.ts';

const MAX_CACHED = 20_000;
const MAX_TOKEN = 16 * 1024;
/** Characters of the name of a client or a user. */
const MAX_NAME = 200;
/** Characters of the address of a user's resource. */
const MAX_ADDRESS = 2_000;
/** How far an issuer's clock may differ from ours, s. */
const LEEWAY = 30;
/** How long a logout is remembered, ms: longer than access tokens live. */
const LOGOUT_LIFE = 24 * 3_600_000;
/** How old a logout token may be, s. */
const LOGOUT_AGE = 300;
/** The last time there is, ms since the epoch (ECMA-262 section 21.4.1.1). */
const MOST_TIME = 8.64e15;
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';
/** Access tokens are typed so by their issuer (RFC 9068 section 2.1), as any JWT, or not at all. */
const ACCESS_TOKEN_TYPE = /^(application\/)?([\w-]*\bat\+)?jwt$/i;
const LOGOUT_TOKEN_TYPE = /^(application\/)?(logout\+)?jwt$/i;
/** None of the issuer's keys that are known fits. */
const NO_KEY = Symbol('no key');
const REFERENCE_AT_END =
  /(?:^|\/)((?:Practitioner|PractitionerRole|Patient|RelatedPerson|Person)\/[A-Za-z0-9.-]{1,64})$/;

interface Trusted extends TrustedIssuer {
  readonly keys: IssuerKeys;
  readonly questions: Questions;
}

type LogoutClaims = JWTPayload & { readonly iat: number; readonly sid?: unknown };

interface Cached {
  readonly info: TokenInfo | undefined;
  readonly until: number;
}

interface Parts {
  readonly issuers: readonly TrustedIssuer[];
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly users: Pick<Users, 'resolve' | 'withReference'>;
  readonly addresses: AuthorizationAddresses;
  readonly fetchIssuer: typeof fetch;
  /** Whether a scope could ever let anybody in at the FHIR endpoint, where there is one. */
  readonly canEverOpen: CanEverOpen;
  readonly audit: (entry: AuditEntry) => void;
  /** Tells that access has ended, here and at the other nodes. */
  readonly ended: (ended: AccessEnded) => Promise<void>;
}

/** Tokens of authorization servers that are trusted by configuration (REG-5). */
export class TrustedIssuers {
  readonly #parts: Parts;
  readonly #issuers: readonly Trusted[];
  readonly #cache = new Map<string, Cached>();
  /** Who has signed out at the issuer, and when (ms since the epoch). */
  readonly #logouts: RecordRepository<{ readonly at: number }>;
  /** The sessions at the issuer whose tokens were seen, by their subject. */
  readonly #sessions: RecordRepository<{ readonly subject: string; readonly grantId: string }>;
  readonly #spent: RecordRepository<object>;
  readonly #people: ShortMemory<UserProfile | undefined>;
  readonly #lastLogouts: ShortMemory<{ readonly at: number } | undefined>;
  #endings = 0;

  constructor(parts: Parts) {
    const { records, clock } = parts;
    this.#parts = parts;
    this.#issuers = parts.issuers.map((one) => ({
      ...one,
      keys: new IssuerKeys(one, clock, parts.fetchIssuer),
      questions: new Questions(clock),
    }));
    this.#logouts = new RecordRepository(records, clock, 'trusted-logout');
    this.#sessions = new RecordRepository(records, clock, 'trusted-session', ({ subject }) => ({ subject }));
    this.#spent = new RecordRepository(records, clock, 'trusted-logout-token');
    this.#people = new ShortMemory(clock, TRUST_FOR, MAX_CACHED);
    this.#lastLogouts = new ShortMemory(clock, TRUST_FOR, MAX_CACHED);
  }

  /**
   * What a token of a trusted issuer stands for. An answer, also that a token is not good, is used for a minute at most.
   * @returns undefined for any token that is not good here
   * @throws IssuerUnavailable when the issuer cannot be asked
   */
  async verify(bearer: string): Promise<TokenInfo | undefined> {
    if (this.#issuers.length === 0 || bearer.length > MAX_TOKEN) return undefined;
    const id = digest(bearer);
    const now = this.#parts.clock.now();
    const cached = this.#cache.get(id);
    if (cached && now < cached.until) return stillGood(cached, now);
    for (;;) {
      const endings = this.#endings;
      const { info, until } = await this.#load(bearer, id, now + TRUST_FOR);
      if (endings !== this.#endings) continue;
      this.#remember(id, { info, until });
      return info;
    }
  }

  /** What a token stands for that was found good within the last minute; undefined where it has to be looked at. */
  remembered(bearer: string): TokenInfo | undefined {
    if (this.#cache.size === 0 || bearer.length > MAX_TOKEN) return undefined;
    const now = this.#parts.clock.now();
    const cached = this.#cache.get(digest(bearer));
    return cached && now < cached.until ? stillGood(cached, now) : undefined;
  }

  #remember(id: string, cached: Cached): void {
    this.#cache.delete(id);
    this.#cache.set(id, cached);
    if (this.#cache.size <= MAX_CACHED) return;
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined) this.#cache.delete(oldest);
  }

  /** @param until how long the answer is used, ms since the epoch; shorter where the issuer may have new keys */
  async #load(bearer: string, id: string, until: number): Promise<Cached> {
    const parts = bearer.split('.');
    const iss = parts.length === 3 ? issuerIn(parts[1] ?? '') : undefined;
    if (iss === undefined) return { info: await this.#askAbout(bearer, id), until };
    const issuer = this.#issuers.find((one) => one.issuer === iss);
    if (!issuer) return { info: undefined, until };
    const claims = issuer.introspection ? await this.#ask(issuer, bearer) : await this.#check(issuer, bearer);
    if (claims === NO_KEY) return { info: undefined, until: Math.min(until, issuer.keys.renewableAt) };
    return { info: claims && (await this.#describe(issuer, claims, id)), until };
  }

  /** Asks about a token that does not say whose it is. One issuer that is away is no answer of the others. */
  async #askAbout(bearer: string, id: string): Promise<TokenInfo | undefined> {
    let away: IssuerUnavailable | undefined;
    for (const issuer of askedAbout(bearer, this.#issuers)) {
      try {
        const claims = await this.#ask(issuer, bearer);
        if (claims) return await this.#describe(issuer, claims, id);
      } catch (error) {
        if (!(error instanceof IssuerUnavailable)) throw error;
        away ??= error;
      }
    }
    if (away) throw away;
    return undefined;
  }

  /** Verifies a JWT access token. */
  async #check(issuer: Trusted, bearer: string): Promise<Claims | typeof NO_KEY | undefined> {
    const payload = await this.#verify(issuer, bearer, ACCESS_TOKEN_TYPE, {
      audience: [...issuer.audience],
      requiredClaims: ['exp', 'sub'],
    });
    if (payload === undefined || payload === NO_KEY) return payload;
    return isAccessToken(payload) && !isFromTheFuture(payload, wallTime(this.#parts.clock)) ? payload : undefined;
  }

  /**
   * Verifies a JWT of the issuer with its keys, and once more where they had changed.
   * @param types what its header may say that it is
   * @returns undefined for one that is not good, `NO_KEY` where none of the keys that are known fits
   */
  async #verify(
    issuer: Trusted,
    token: string,
    types: RegExp,
    more: JWTClaimVerificationOptions,
  ): Promise<(JWTPayload & { sid?: unknown }) | typeof NO_KEY | undefined> {
    const parts = jwsParts(token);
    const header = parts && jwtHeader(parts, types);
    if (!header || !issuer.algorithms.includes(header.alg)) return undefined;
    while (!(await isSignedByOne(await issuer.keys.find(header), header.alg, parts)))
      if (!(await issuer.keys.renew())) return NO_KEY;
    return claimsOf(parts, {
      issuer: issuer.issuer,
      clockTolerance: LEEWAY,
      currentDate: new Date(wallTime(this.#parts.clock)),
      ...more,
    });
  }

  /** Asks the issuer (RFC 7662). */
  async #ask(issuer: Trusted, bearer: string): Promise<Claims | undefined> {
    const { endpoint = '', clientId = '', clientSecret = '' } = issuer.introspection ?? {};
    const basic = [clientId, clientSecret].map(encodeURIComponent).join(':');
    let claims: Claims;
    try {
      claims = await issuer.questions.ask(() =>
        fetchJson(this.#parts.fetchIssuer, endpoint, {
          method: 'POST',
          headers: { authorization: `Basic ${Buffer.from(basic).toString('base64')}` },
          body: new URLSearchParams({ token: bearer, token_type_hint: 'access_token' }),
        }),
      );
    } catch (error) {
      throw new IssuerUnavailable(issuer.name, error);
    }
    const { active, iss, aud, exp, nbf } = claims;
    const now = wallTime(this.#parts.clock) / 1000;
    if (active !== true) return undefined;
    if (iss !== undefined && iss !== issuer.issuer) return undefined;
    const audiences = Array.isArray(aud) ? aud : [aud];
    if (aud !== undefined && !issuer.audience.some((one) => audiences.includes(one))) return undefined;
    if (exp !== undefined && (typeof exp !== 'number' || exp + LEEWAY <= now)) return undefined;
    if (nbf !== undefined && (typeof nbf !== 'number' || nbf - LEEWAY > now)) return undefined;
    // RFC 7662 section 2.2: whose token it is may be said in other words.
    const sub = [claims.sub, claimAt(claims, issuer.claims.user), clientOf(issuer, claims)].find(
      (one) => one !== undefined,
    );
    const named = { ...claims, sub };
    return isAccessToken(named as JWTPayload) ? named : undefined;
  }

  async #describe(issuer: Trusted, claims: Claims, tokenId: string): Promise<TokenInfo | undefined> {
    const { clock } = this.#parts;
    const subject = textOf(claims.sub);
    const sid = typeof claims.sid === 'string' ? claims.sid : undefined;
    const grantId = `trusted ${issuer.name} ${digest(sid ?? subject)}`;
    if (await this.#isLoggedOut(issuer, subject, sid, claims)) return undefined;
    const clientId = clientOf(issuer, claims);
    if (clientId === undefined || clientId.length > MAX_NAME || !isPlainText(clientId)) return undefined;
    const who = await this.#personOf(issuer, claims, clientId);
    if (!who) return undefined;
    const confirmation = confirmationOf(claims);
    if (!confirmation) return undefined;
    const patient = claimAt(claims, issuer.claims.patient);
    // An issuer that does not say how long a token lives is asked again after a minute.
    const end = claims.exp === undefined ? wallTime(clock) + TRUST_FOR : endOf(claims.exp);
    if (end === undefined) return undefined;
    if (sid !== undefined) await this.#noteSession(issuer, subject, sid, grantId);
    return {
      tokenId,
      grantId,
      clientId: `${issuer.name}/${clientId}`,
      clientName: clientId,
      expiresAt: fromWall(clock, end),
      switches: {},
      topics: [],
      scopes: this.#scopesOf(issuer, claims, who.user === undefined ? 'backend' : 'user'),
      ...who,
      ...confirmation,
      ...(typeof patient === 'string' && /^[A-Za-z0-9.-]{1,64}$/.test(patient) ? { patient } : {}),
    };
  }

  /** The issuer's scopes and roles in our words; those that nothing is said about open nothing. */
  #scopesOf(issuer: TrustedIssuer, claims: Claims, kind: 'user' | 'backend'): Scopes {
    const theirs = issuer.claims.scopes.flatMap((name) => {
      const value = claimAt(claims, name);
      const list: readonly unknown[] = Array.isArray(value) ? value : [value];
      return list.flatMap((one) => (typeof one === 'string' ? one.split(/\s+/) : []));
    });
    const named = theirs.map((one) => issuer.scopes.get(one) ?? (issuer.passScopes ? one : '')).join(' ');
    const ours = withoutUseless(named, this.#parts.canEverOpen);
    return new Scopes(
      grantableScopes(ours, ours, kind)
        .map(({ text }) => text)
        .join(' '),
    );
  }

  /** The person whom a token is for, or the sessions that a service may see. */
  async #personOf(
    issuer: Trusted,
    claims: Claims,
    clientId: string,
  ): Promise<Pick<TokenInfo, 'user' | 'userAliases' | 'fhirUser' | 'sessions'> | undefined> {
    const sessions = issuer.services.get(clientId);
    const isOwn = isOfClientItself(claims, clientId);
    if (sessions && (isOwn || !isOfSignIn(claims))) return { userAliases: [], sessions };
    if (isOwn || isNamedAsClient(issuer, claims, clientId)) return undefined;
    const name = claimAt(claims, issuer.claims.user);
    const claimed = claimAt(claims, issuer.claims.fhirUser);
    const isSound = typeof claimed === 'string' && claimed.length <= MAX_ADDRESS && isPlainText(claimed);
    const fhirUser = isSound ? claimed : undefined;
    const reference = fhirUser === undefined ? undefined : REFERENCE_AT_END.exec(fhirUser)?.[1];
    const isName = typeof name === 'string' && name !== '' && name.length <= MAX_NAME && isPlainText(name);
    const alias = isName && isWrittenAsCompared(name) ? name : undefined;
    if (alias === undefined && reference === undefined) return undefined;
    const known = await this.#userOf(issuer, alias, reference);
    if (known) {
      if (known.status !== 'active') return undefined;
      const { addresses } = this.#parts;
      const aliases = [known.id, ...known.aliases];
      return { user: known.reference, userAliases: aliases, fhirUser: addresses.resource(known.reference) };
    }
    // No user of ours: the sessions of that name are theirs. A name that looks like a reference could be somebody else's.
    const own =
      alias === undefined ? undefined : issuer.aliasSystem === undefined ? alias : `${issuer.aliasSystem}|${alias}`;
    if (own !== undefined && issuer.aliasSystem === undefined && /[/|]/.test(own)) return undefined;
    const user = reference ?? own;
    if (user === undefined) return undefined;
    return { user, userAliases: own === undefined ? [] : [own], ...(fhirUser === undefined ? {} : { fhirUser }) };
  }

  /** Tokens of one person come one after the other, an application each: the person is looked up once. */
  #userOf(issuer: Trusted, alias: string | undefined, reference: string | undefined): Promise<UserProfile | undefined> {
    const key = JSON.stringify([issuer.name, alias, reference]);
    return this.#people.get(key, () => this.#findUser(issuer, alias, reference));
  }

  async #findUser(
    issuer: Trusted,
    alias: string | undefined,
    reference: string | undefined,
  ): Promise<UserProfile | undefined> {
    const { users } = this.#parts;
    if (reference !== undefined) {
      const [first, second] = await users.withReference(reference);
      if (first && !second) return first;
    }
    if (alias === undefined) return undefined;
    if (issuer.aliasSystem !== undefined) return users.resolve(`${issuer.aliasSystem}|${alias}`);
    return /[/|]/.test(alias) ? undefined : users.resolve(alias);
  }

  async #noteSession(issuer: Trusted, sub: string, sid: string, grantId: string): Promise<void> {
    const subject = logoutKey(issuer, 'sub', sub);
    const expiresAt = this.#parts.clock.now() + LOGOUT_LIFE;
    await this.#sessions.put(logoutKey(issuer, 'sid', sid), { subject, grantId }, { expiresAt, condition: 'absent' });
  }

  async #isLoggedOut(issuer: Trusted, sub: string, sid: string | undefined, { iat }: Claims): Promise<boolean> {
    const last = (kind: 'sid' | 'sub', value: string) => {
      const key = logoutKey(issuer, kind, value);
      return this.#lastLogouts.get(key, () => this.#logouts.get(key));
    };
    const [session, subject] = await Promise.all([sid === undefined ? undefined : last('sid', sid), last('sub', sub)]);
    // After signing out everywhere, a person signs in again and gets newer tokens.
    return session !== undefined || (subject !== undefined && !(typeof iat === 'number' && iat * 1000 > subject.at));
  }

  /**
   * The issuer says that a person has signed out there (OpenID Connect Back-Channel Logout 1.0): what its tokens opened ends
   * at once, live subscriptions included.
   * @throws OAuthError invalid_request for a logout token that is not good; IssuerUnavailable
   */
  async logout(logoutToken: string): Promise<void> {
    const { clock, audit, ended } = this.#parts;
    const iss = issuerIn(logoutToken.split('.')[1] ?? '');
    const issuer = this.#issuers.find((one) => one.issuer === iss);
    const claims = issuer && logoutToken.length <= MAX_TOKEN ? await this.#checkLogout(issuer, logoutToken) : undefined;
    if (!issuer || !claims) throw new OAuthError('invalid_request', 'the logout token is not good');
    const { sub, sid, jti, iat } = claims;
    const expiresAt = clock.now() + LOGOUT_LIFE;
    const spent = digest(JSON.stringify([issuer.name, jti]));
    const kind = sid === undefined ? 'sub' : 'sid';
    const value = textOf(sid ?? sub);
    if (!(await this.#noteLogout(spent, logoutKey(issuer, kind, value), iat * 1000, expiresAt))) return;
    this.#lastLogouts.forget();
    const sessions = sid === undefined ? await this.#sessions.findBy('subject', logoutKey(issuer, 'sub', value)) : [];
    const grants = new Set([`trusted ${issuer.name} ${digest(value)}`, ...sessions.map((one) => one.value.grantId)]);
    const reason = `the user signed out at ${issuer.name}`;
    audit({ action: 'sign-out', detail: `back channel of ${issuer.name}` });
    for (const grantId of grants) {
      await ended({ grantId, reason });
    }
  }

  /**
   * Remembers a logout, and that its token was used, both or neither: an issuer sends a token again that could not be dealt with. The
   * newest of several logouts counts, in whichever order they come.
   * @param at when, ms since the epoch @returns whether the token was not used before
   */
  async #noteLogout(spent: string, key: string, at: number, expiresAt: number): Promise<boolean> {
    for (;;) {
      if (await this.#spent.get(spent)) return false;
      const before = await this.#logouts.find(key);
      const newest = Math.max(at, before?.value.at ?? at);
      const isKept = await this.#logouts.putAll([
        this.#spent.write(spent, {}, { condition: 'absent', expiresAt }),
        this.#logouts.write(key, { at: newest }, { condition: before?.revision ?? 'absent', expiresAt }),
      ]);
      if (isKept) return true;
    }
  }

  async #checkLogout(issuer: Trusted, token: string): Promise<LogoutClaims | undefined> {
    for (const now of proofTimes(this.#parts.clock)) {
      const claims = await this.#logoutClaims(issuer, token, now);
      if (claims) return claims;
    }
    return undefined;
  }

  async #logoutClaims(issuer: Trusted, token: string, now: number): Promise<LogoutClaims | undefined> {
    const payload = await this.#verify(issuer, token, LOGOUT_TOKEN_TYPE, {
      currentDate: new Date(now),
      audience: [...issuer.logoutAudience],
      maxTokenAge: LOGOUT_AGE,
      requiredClaims: ['iat', 'jti', 'events'],
    });
    if (payload === undefined || payload === NO_KEY) return undefined;
    const { sub, sid, jti, events, nonce } = payload;
    const named = [sub, sid].every((one) => one === undefined || (typeof one === 'string' && one !== ''));
    const isLogout = typeof events === 'object' && events !== null && Object.hasOwn(events, LOGOUT_EVENT);
    const good = named && (sub ?? sid) !== undefined && typeof jti === 'string' && isLogout && nonce === undefined;
    return good ? { ...payload, iat: payload.iat ?? 0 } : undefined;
  }

  /** Forgets what is known of tokens whose access has ended; without a word of whose, of all. */
  forget(ended?: Pick<AccessEnded, 'grantId' | 'user'>): void {
    this.#endings += 1;
    this.#people.forget();
    this.#lastLogouts.forget();
    for (const [id, { info }] of this.#cache) {
      const matches = ended === undefined || info?.grantId === ended.grantId || info?.user === ended.user;
      if (matches) this.#cache.delete(id);
    }
  }
}

/**
 * @param types what the header may say that the token is: others are good for something else (RFC 8725 section 3.11)
 * @returns undefined for a header that says what is not understood here
 */
function jwtHeader({ header }: JwsParts, types: RegExp): { readonly alg: string; readonly kid?: string } | undefined {
  const { alg, kid, typ, crit, b64 } = readPart(header) ?? {};
  if (typ !== undefined && !(typeof typ === 'string' && types.test(typ))) return undefined;
  // Extensions that are critical (RFC 7515 section 4.1.11), such as a payload that is not encoded (RFC 7797).
  if (typeof alg !== 'string' || crit !== undefined || b64 !== undefined) return undefined;
  if (kid === undefined) return { alg };
  return typeof kid === 'string' ? { alg, kid } : undefined;
}

async function isSignedByOne(keys: readonly KeyObject[], alg: string, parts: JwsParts): Promise<boolean> {
  for (const key of keys) if (await signatureFits(alg, key, parts)) return true;
  return false;
}

const UNSIGNED = Buffer.from('{"alg":"none"}').toString('base64url');

/**
 * The claims of a JWT whose signature was checked. `jose` checks them, which it does by themselves only where there is no signature.
 * @returns undefined where they are not good
 */
function claimsOf({ payload }: JwsParts, options: JWTClaimVerificationOptions): JWTPayload | undefined {
  try {
    return UnsecuredJWT.decode(`${UNSIGNED}.${payload}.`, options).payload;
  } catch {
    return undefined;
  }
}

function clientOf({ claims: { client } }: TrustedIssuer, claims: Claims): string | undefined {
  return client.map((name) => claimAt(claims, name)).find((one) => typeof one === 'string');
}

/**
 * Whether a client got the token for itself: as RFC 9068 section 2.2 says it, and Okta; as Microsoft Entra ID, Auth0 and Keycloak do,
 * whose tokens then name a user all the same. By what the issuer alone says: no name that a person can choose.
 */
function isOfClientItself(claims: Claims, clientId: string): boolean {
  const { sub, oid, idtyp, gty, clientHost, clientAddress } = claims;
  const grants: readonly unknown[] = Array.isArray(gty) ? gty : [gty];
  // Where people choose their subject, one may be called as the client that they sign in with; Azure AD B2C has `oid` for `sub` of people too.
  const isSubject = sub === clientId || (oid !== undefined && oid === sub);
  return (
    (isSubject && !isOfSignIn(claims)) ||
    idtyp === 'app' ||
    grants.includes('client-credentials') ||
    // Keycloak notes where a client came from that signed in by itself; such a session may have a `sid`.
    typeof (clientHost ?? clientAddress) === 'string'
  );
}

/**
 * Whether the token's user is called as Keycloak calls the user that it makes for this client. Such a name proves nothing, since a
 * person may choose it elsewhere: it opens nothing, neither as a service nor as a person.
 */
function isNamedAsClient({ claims: { user } }: TrustedIssuer, claims: Claims, clientId: string): boolean {
  const names = [claimAt(claims, user), claims.preferred_username, claims.username];
  const own = `service-account-${clientId}`.toLowerCase();
  return names.some((name) => typeof name === 'string' && name.toLowerCase() === own);
}

/** Whether somebody has signed in for the token (OpenID Connect Core section 2, Session Management). */
function isOfSignIn({ sid, auth_time: time, amr }: Claims): boolean {
  return sid !== undefined || time !== undefined || amr !== undefined;
}

/** ms since the epoch; undefined for what is no time: a token that never ends is none (RFC 9068 section 2.2). */
function endOf(exp: unknown): number | undefined {
  return typeof exp === 'number' && exp * 1000 <= MOST_TIME ? exp * 1000 : undefined;
}

/** The answer that is remembered, unless its token has expired since. */
function stillGood({ info }: Cached, now: number): TokenInfo | undefined {
  return info && now < info.expiresAt ? info : undefined;
}

function logoutKey(issuer: TrustedIssuer, kind: 'sid' | 'sub', value: string): string {
  return digest(JSON.stringify([issuer.name, kind, value]));
}

/** `iss` of a token that has not been verified yet: it only says whose keys to verify it with. Undefined for what is no JWT. */
function issuerIn(claims: string): unknown {
  try {
    const value: unknown = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'));
    return (value as { readonly iss?: unknown } | null)?.iss;
  } catch {
    return undefined;
  }
}

/** How issuers name tokens that open nothing: id, refresh, offline and logout tokens. */
const OTHER_TOKEN = /^(id|refresh|offline|logout)/i;

/** Id, refresh and logout tokens of the same issuer are none that open anything here (RFC 9068 section 4, RFC 8725 3.11). */
function isAccessToken(claims: JWTPayload): boolean {
  const { sub, typ, token_type: type, token_use: use, nonce, at_hash: hash, events } = claims;
  if (typeof sub !== 'string' || sub === '') return false;
  if ([typ, type, use].some((one) => typeof one === 'string' && OTHER_TOKEN.test(one))) return false;
  // Keycloak before release 24 has the nonce in access tokens too, and says that they are.
  const isBearer = typ === 'Bearer';
  return (nonce === undefined || isBearer) && hash === undefined && events === undefined;
}

/**
 * The key that the issuer has bound a token to (RFC 7800, RFC 9449 section 6).
 * @returns undefined for a token that is bound to something which is not checked here, such as a certificate
 */
function confirmationOf({ cnf }: Claims): { readonly jkt?: string } | undefined {
  if (cnf === undefined) return {};
  const { jkt, ...others } = (typeof cnf === 'object' && cnf !== null ? cnf : {}) as Readonly<Record<string, unknown>>;
  return typeof jkt === 'string' && Object.keys(others).length === 0 ? { jkt } : undefined;
}

function isFromTheFuture({ iat }: JWTPayload, now: number): boolean {
  return iat !== undefined && iat - LEEWAY > now / 1000;
}
