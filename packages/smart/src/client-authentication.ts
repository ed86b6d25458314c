import type { RecordStore } from '@lockstep/store';
import type { JWTPayload } from 'jose';
import { type Client, isAsymmetric, isPublic } from './client.ts';
import type { ClientKeys } from './client-keys.ts';
import type { Clients } from './clients.ts';
import { invalidClient, OAuthError } from './oauth-error.ts';
import type { Clock } from './ports.ts';
import { RecordRepository, type RecordWrite } from './repository.ts';
import { digest, sameSecret } from './secrets.ts';
import { type JwsParts, jwsParts, readPart, signatureFits } from './signatures.ts';
import { overByBoth, proofTimes } from './wall-time.ts';

export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** Signature algorithms of client assertions (DIS-2). */
export const ASSERTION_ALGORITHMS = ['RS384', 'ES384'] as const;
export type AssertionAlgorithm = (typeof ASSERTION_ALGORITHMS)[number];

/** An assertion may expire at most five minutes ahead; clocks may differ by `LEEWAY` (ms). */
const MAX_LIFE = 5 * 60_000;
const LEEWAY = 30_000;

export interface AuthenticationRequest {
  readonly authorization?: string | undefined;
  readonly params: ReadonlyMap<string, string>;
  /** The address of the endpoint that was called. */
  readonly endpoint: string;
}

/** A client that has shown who it is. */
export interface Authenticated {
  readonly client: Client;
  /** Creates the record of the assertion's jti; until it is written, the assertion can be shown again. */
  readonly spend?: RecordWrite;
}

/** Authenticates clients at the token, introspection and revocation endpoints (TOK-1). Any failure is `invalid_client`. */
export class ClientAuthentication {
  readonly #clients: Clients;
  readonly #keys: ClientKeys;
  readonly #clock: Clock;
  readonly #tokenEndpoint: string;
  readonly #alsoFor: (audience: string) => boolean;
  readonly #jtis: RecordRepository<{ clientId: string }>;

  /** @param alsoFor whether an assertion may name this audience instead of the token endpoint */
  constructor(
    store: RecordStore,
    clock: Clock,
    clients: Clients,
    keys: ClientKeys,
    tokenEndpoint: string,
    alsoFor: (audience: string) => boolean = () => false,
  ) {
    this.#clients = clients;
    this.#keys = keys;
    this.#clock = clock;
    this.#tokenEndpoint = tokenEndpoint;
    this.#alsoFor = alsoFor;
    this.#jtis = new RecordRepository(store, clock, 'jti');
  }

  /**
   * Authenticates and spends the assertion.
   * @param implied the client to which a refresh token belongs: a public one may leave client_id out (TOK-4)
   * @throws OAuthError invalid_client, or invalid_request when two ways to authenticate are mixed
   */
  async authenticate(request: AuthenticationRequest, implied?: string): Promise<Client> {
    const { client, spend } = await this.recognize(request, implied);
    if (spend && !(await this.#jtis.putAll([spend]))) throw usedBefore();
    return client;
  }

  /** Authenticates for a caller that spends the assertion itself, together with what it writes. */
  async recognize(request: AuthenticationRequest, implied?: string): Promise<Authenticated> {
    const { params } = request;
    const basic = request.authorization === undefined ? undefined : readBasic(request.authorization);
    const assertion = params.get('client_assertion');
    const posted = params.get('client_secret');
    if ([basic, assertion, posted].filter((one) => one !== undefined).length > 1) {
      throw new OAuthError('invalid_request', 'authenticate in one way only');
    }
    if (assertion !== undefined || params.has('client_assertion_type')) return this.#byAssertion(request, assertion);
    if (basic) return { client: await this.#bySecret(basic, params.get('client_id')) };
    const id = params.get('client_id') ?? implied;
    if (id === undefined) throw invalidClient('no client authentication was given');
    if (posted !== undefined) return { client: await this.#bySecret([{ id, secret: posted }], undefined) };
    const client = await this.#active(id);
    if (!isPublic(client)) throw invalidClient('this client must authenticate');
    return { client };
  }

  async #active(id: string): Promise<Client> {
    const client = await this.#clients.get(id);
    if (!client) throw invalidClient('unknown client');
    if (client.status === 'waiting') throw invalidClient('this client waits for an administrator');
    if (client.status !== 'active') throw invalidClient('this client is suspended');
    return client;
  }

  /** Clients send Basic credentials raw or form-encoded (RFC 6749 section 2.3.1); both readings are tried. */
  async #bySecret(readings: readonly Credentials[], postedId: string | undefined): Promise<Client> {
    for (const { id, secret } of readings) {
      if (postedId !== undefined && postedId !== id) continue;
      const client = await this.#clients.get(id);
      if (!client?.secretDigest || !sameSecret(client.secretDigest, digest(secret))) continue;
      return this.#active(id);
    }
    throw invalidClient('client authentication failed');
  }

  async #byAssertion(request: AuthenticationRequest, assertion: string | undefined): Promise<Authenticated> {
    if (request.params.get('client_assertion_type') !== ASSERTION_TYPE) {
      throw invalidClient(`client_assertion_type must be ${ASSERTION_TYPE}`);
    }
    const { parts, header, claims } = readAssertion(assertion);
    const client = await this.#assertedClient(claims, request.params.get('client_id'));
    this.#checkAudience(claims, request.endpoint);
    const expiresAt = this.#checkTimes(claims);
    if (header.jku !== undefined && header.jku !== client.jwksUri) throw invalidClient('jku is not the registered one');
    // Only old clients leave it out; with one key registered, no other can be meant.
    if (header.kid === undefined && client.switches.legacy !== true)
      throw invalidClient('kid is missing in the header');
    const key = await this.#keys.select(client, header);
    if (!(await signatureFits(header.alg, key, parts))) throw invalidClient('the signature of the assertion is wrong');
    return { client, spend: this.#spending(client, claims, expiresAt) };
  }

  async #assertedClient(claims: JWTPayload, postedId: string | undefined): Promise<Client> {
    if (typeof claims.sub !== 'string' || claims.iss !== claims.sub) {
      throw invalidClient('iss and sub must both be the client_id');
    }
    if (postedId !== undefined && postedId !== claims.sub)
      throw invalidClient('client_id is not that of the assertion');
    const client = await this.#active(claims.sub);
    if (!isAsymmetric(client)) throw invalidClient('this client does not authenticate by assertion');
    return client;
  }

  #checkAudience(claims: JWTPayload, endpoint: string): void {
    const aud: unknown = claims.aud;
    const audiences = (Array.isArray(aud) ? aud : [aud]).filter((one) => typeof one === 'string');
    const known = audiences.includes(this.#tokenEndpoint) || audiences.includes(endpoint);
    if (!known && !audiences.some((one) => this.#alsoFor(one))) {
      throw invalidClient('aud must be the token endpoint');
    }
  }

  /** @returns when the assertion expires, ms since the epoch */
  #checkTimes(claims: JWTPayload): number {
    const { exp } = claims;
    if (typeof exp !== 'number' || !Number.isFinite(exp)) throw invalidClient('exp must be a number');
    const problems = proofTimes(this.#clock).map((now) => timeProblem({ ...claims, exp }, now));
    const [problem] = problems;
    if (problem !== undefined && !problems.includes(undefined)) throw invalidClient(problem);
    return overByBoth(this.#clock, Math.floor(exp * 1000));
  }

  /** A jti counts once, under parallel use too: the store lets exactly one create its record. */
  #spending(client: Client, claims: JWTPayload, expiresAt: number): RecordWrite {
    if (typeof claims.jti !== 'string' || claims.jti === '') throw invalidClient('jti is missing');
    const id = digest(JSON.stringify([client.id, claims.jti]));
    return this.#jtis.write(id, { clientId: client.id }, { condition: 'absent', expiresAt: expiresAt + LEEWAY });
  }
}

/** Why an assertion is not good at a time, ms since the epoch. */
function timeProblem({ exp, nbf, iat }: JWTPayload & { readonly exp: number }, now: number): string | undefined {
  const expiresAt = Math.floor(exp * 1000);
  if (expiresAt + LEEWAY <= now) return 'the assertion has expired';
  if (expiresAt > now + MAX_LIFE + LEEWAY) return 'exp may be at most five minutes ahead';
  for (const claim of [nbf, iat] as readonly unknown[]) {
    if (claim === undefined) continue;
    if (typeof claim !== 'number' || claim * 1000 > now + LEEWAY) return 'the assertion is not valid yet';
  }
  return undefined;
}

export function usedBefore(): OAuthError {
  return invalidClient('jti was used before');
}

interface Credentials {
  readonly id: string;
  readonly secret: string;
}

function decodeForm(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** The readings of a Basic header, split at the first colon. @throws OAuthError invalid_client for any other header */
function readBasic(authorization: string): readonly Credentials[] {
  const match = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization);
  if (!match?.[1]) throw invalidClient('the Authorization header must be Basic');
  const text = Buffer.from(match[1], 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) throw invalidClient('the Authorization header holds no client_id and secret');
  const raw = { id: text.slice(0, colon), secret: text.slice(colon + 1) };
  const id = decodeForm(raw.id);
  const secret = decodeForm(raw.secret);
  const decoded = id !== undefined && secret !== undefined && (id !== raw.id || secret !== raw.secret);
  return decoded ? [raw, { id, secret }] : [raw];
}

function readAssertion(assertion: string | undefined): {
  parts: JwsParts;
  header: { alg: AssertionAlgorithm; kid?: string; jku?: unknown };
  claims: JWTPayload;
} {
  const parts = jwsParts(assertion ?? '');
  const header = parts && readPart(parts.header);
  const claims: JWTPayload | undefined = parts && readPart(parts.payload);
  if (!parts || !header || !claims) throw invalidClient('client_assertion is no signed JWT');
  const alg = ASSERTION_ALGORITHMS.find((one) => one === header.alg);
  if (!alg) throw invalidClient('the assertion must be signed with RS384 or ES384');
  // An extension that is critical and not understood (RFC 7515 section 4.1.11): none is.
  if (header.crit !== undefined) throw invalidClient('crit is not supported');
  const { kid, jku } = header;
  if (kid !== undefined && typeof kid !== 'string') throw invalidClient('kid must be a string');
  return {
    parts,
    header: { alg, ...(kid === undefined ? {} : { kid }), ...(jku === undefined ? {} : { jku }) },
    claims,
  };
}
