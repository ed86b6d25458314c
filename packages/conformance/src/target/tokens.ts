import { createPrivateKey, generateKeyPairSync, type JsonWebKey, randomUUID, sign } from 'node:crypto';
import { CheckFailure, CheckSkip, show } from '../expecting.ts';
import { isObject } from '../json.ts';
import { Transcript } from '../transcript.ts';
import { form, type HttpLimits, send } from './http.ts';

/** How the suite comes by access tokens. */
export type Authorization =
  /** The Hub asks for none. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'token';
      readonly token: string;
      /** Seconds of life that it has, if known. */
      readonly expiresIn?: number;
      /** A second token whose only FHIRcast scope is `fhircast/Patient-open.read`. */
      readonly limitedToken?: string;
      /** A token of another client with the same scopes. */
      readonly otherToken?: string;
    }
  | {
      /** Client credentials, with a secret or a signed assertion. */
      readonly kind: 'client';
      /** The token endpoint; without it, it is found through `smart`. */
      readonly tokenUrl?: string;
      /** FHIR base URL with a `.well-known/smart-configuration`. */
      readonly smart?: string;
      readonly clientId: string;
      readonly secret?: string;
      /** Private key as JWK (RSA for RS384, P-384 for ES384). */
      readonly key?: JsonWebKey & { readonly kid?: string };
      readonly scope?: string;
      /** A second client of the same server. */
      readonly other?: { readonly clientId: string; readonly secret: string };
    }
  | {
      /** Registers itself (RFC 7591), then client credentials with a signed assertion. */
      readonly kind: 'register';
      readonly smart: string;
      readonly initialAccessToken?: string;
      readonly scope?: string;
    };

export interface TestToken {
  readonly value: string;
  /** `Date.now()` at which it ends; undefined when it was not said. */
  readonly expiresAt: number | undefined;
}

/** Everything that the suite does with its full token. */
export const FULL_SCOPE = 'fhircast/*.read fhircast/*.write hub/session.read hub/session.write';
export const LIMITED_SCOPE = 'fhircast/Patient-open.read';

/** Which of the run's two clients. */
type Who = 'first' | 'second';

interface Client {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly scope: string;
  readonly secret?: string;
  readonly key?: JsonWebKey & { readonly kid?: string };
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

function assertion(client: Client & { key: JsonWebKey & { kid?: string } }): string {
  const alg = client.key.kty === 'EC' ? 'ES384' : 'RS384';
  const header = { alg, typ: 'JWT', ...(client.key.kid !== undefined && { kid: client.key.kid }) };
  const claims = {
    iss: client.clientId,
    sub: client.clientId,
    aud: client.tokenUrl,
    jti: randomUUID(),
    exp: Math.floor(Date.now() / 1000) + 120,
  };
  const text = `${base64url(header)}.${base64url(claims)}`;
  const key = createPrivateKey({ key: client.key, format: 'jwk' });
  const signature = sign('sha384', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

/** Gets tokens and keeps them while they are good. */
export class Tokens {
  readonly #authorization: Authorization;
  readonly #limits: HttpLimits;
  readonly #kept = new Map<string, Promise<TestToken>>();
  readonly #clients = new Map<Who, Promise<Client>>();

  constructor(authorization: Authorization, limits: HttpLimits) {
    this.#authorization = authorization;
    this.#limits = limits;
  }

  get protects(): boolean {
    return this.#authorization.kind !== 'none';
  }

  get canLimit(): boolean {
    const authorization = this.#authorization;
    return authorization.kind === 'token' ? authorization.limitedToken !== undefined : authorization.kind !== 'none';
  }

  /** Whether there is a second client. */
  get hasOther(): boolean {
    const one = this.#authorization;
    if (one.kind === 'token') return one.otherToken !== undefined;
    return one.kind === 'register' || (one.kind === 'client' && one.other !== undefined);
  }

  /**
   * A token for everything, or undefined for an open Hub.
   * @throws CheckFailure when none is to be had
   */
  async full(transcript: Transcript): Promise<TestToken | undefined> {
    const authorization = this.#authorization;
    if (authorization.kind === 'none') return undefined;
    if (authorization.kind === 'token') {
      transcript.hide(authorization.token);
      const { token, expiresIn } = authorization;
      return this.#keep(token, async () => ({
        value: token,
        expiresAt: expiresIn === undefined ? undefined : Date.now() + expiresIn * 1000,
      }));
    }
    return this.#cached('first', authorization.scope ?? FULL_SCOPE, transcript);
  }

  /** A second client's token for everything. @throws CheckFailure when none is to be had */
  async other(transcript: Transcript): Promise<TestToken> {
    const authorization = this.#authorization;
    if (!this.hasOther || authorization.kind === 'none') throw new CheckSkip('The run has no second client');
    if (authorization.kind === 'token') {
      const value = authorization.otherToken ?? '';
      transcript.hide(value);
      return { value, expiresAt: undefined };
    }
    return this.#cached('second', authorization.scope ?? FULL_SCOPE, transcript);
  }

  /** A token that may read `Patient-open` and do nothing else. */
  async limited(transcript: Transcript): Promise<TestToken> {
    const authorization = this.#authorization;
    if (authorization.kind === 'none') throw new CheckSkip('The Hub under test asks for no tokens');
    if (authorization.kind === 'token') {
      if (authorization.limitedToken === undefined) throw new CheckSkip('No limited token was given');
      transcript.hide(authorization.limitedToken);
      return { value: authorization.limitedToken, expiresAt: undefined };
    }
    return this.#cached('first', LIMITED_SCOPE, transcript);
  }

  async #cached(who: Who, scope: string, transcript: Transcript): Promise<TestToken> {
    const name = `${who} ${scope}`;
    const kept = await this.#kept.get(name);
    const fresh = kept && (kept.expiresAt === undefined || kept.expiresAt - Date.now() > 60_000);
    if (kept && !fresh) this.#kept.delete(name);
    const token = await this.#keep(name, () => this.#fetch(who, scope, transcript));
    transcript.hide(token.value);
    return token;
  }

  #keep(name: string, make: () => Promise<TestToken>): Promise<TestToken> {
    let token = this.#kept.get(name);
    if (!token) {
      token = make();
      this.#kept.set(name, token);
      // The next scenario asks again.
      token.catch(() => this.#kept.delete(name));
    }
    return token;
  }

  async #fetch(who: Who, scope: string, transcript: Transcript): Promise<TestToken> {
    let made = this.#clients.get(who);
    if (!made) {
      made = this.#makeClient(who, transcript);
      this.#clients.set(who, made);
      made.catch(() => this.#clients.delete(who));
    }
    const client = await made;
    if (client.secret) transcript.hide(client.secret);
    const { key, secret } = client;
    const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' };
    if (secret !== undefined) {
      const basic = Buffer.from(`${client.clientId}:${secret}`).toString('base64');
      transcript.hide(basic);
      headers.authorization = `Basic ${basic}`;
    }
    const signed = key && assertion({ ...client, key });
    if (signed) transcript.hide(signed);
    const body = form({
      grant_type: 'client_credentials',
      scope,
      ...(signed !== undefined && {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: signed,
      }),
    });
    // The answer holds the token: it goes to a transcript of its own.
    const answer = await send({ method: 'POST', url: client.tokenUrl, headers, body }, this.#limits, new Transcript());
    const json = isObject(answer.json) ? answer.json : {};
    if (answer.status !== 200 || typeof json.access_token !== 'string') {
      throw new CheckFailure(
        `an access token for the scope "${scope}"`,
        `HTTP ${answer.status} ${show(json.error ?? '')}`,
      );
    }
    const seconds = typeof json.expires_in === 'number' ? json.expires_in : undefined;
    return {
      value: json.access_token,
      expiresAt: seconds === undefined ? undefined : Date.now() + seconds * 1000,
    };
  }

  async #makeClient(who: Who, transcript: Transcript): Promise<Client> {
    const authorization = this.#authorization;
    if (authorization.kind === 'client') {
      const { clientId, secret, key, scope, smart } = authorization;
      const tokenUrl = authorization.tokenUrl ?? (await this.#smart(smart, 'token_endpoint', transcript));
      if (who === 'second' && authorization.other)
        return { tokenUrl, scope: scope ?? FULL_SCOPE, ...authorization.other };
      return {
        tokenUrl,
        clientId,
        scope: scope ?? FULL_SCOPE,
        ...(secret !== undefined && { secret }),
        ...(key !== undefined && { key }),
      };
    }
    if (authorization.kind !== 'register') throw new Error('no client to make');
    const { smart, initialAccessToken } = authorization;
    const [tokenUrl, registration] = await Promise.all([
      this.#smart(smart, 'token_endpoint', transcript),
      this.#smart(smart, 'registration_endpoint', transcript),
    ]);
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const kid = randomUUID();
    const scope = authorization.scope ?? FULL_SCOPE;
    const metadata = {
      client_name: who === 'first' ? 'FHIRcast conformance suite' : 'FHIRcast conformance suite, second client',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES384',
      jwks: { keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid, alg: 'ES384', use: 'sig' }] },
      scope: scope.includes(LIMITED_SCOPE) ? scope : `${scope} ${LIMITED_SCOPE}`,
    };
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (initialAccessToken !== undefined) headers.authorization = `Bearer ${initialAccessToken}`;
    if (initialAccessToken !== undefined) transcript.hide(initialAccessToken);
    const body = JSON.stringify(metadata);
    const answer = await send({ method: 'POST', url: registration, headers, body }, this.#limits, transcript);
    const clientId = isObject(answer.json) ? answer.json.client_id : undefined;
    if (answer.status !== 201 || typeof clientId !== 'string') {
      throw new CheckFailure('a registered client', `HTTP ${answer.status} ${answer.body}`);
    }
    return { tokenUrl, clientId, scope, key: { ...pair.privateKey.export({ format: 'jwk' }), kid } };
  }

  async #smart(base: string | undefined, field: string, transcript: Transcript): Promise<string> {
    if (base === undefined) throw new CheckFailure('a token endpoint or a FHIR base URL in the options', 'neither');
    const url = `${base.replace(/(?<!\/)\/+$/, '')}/.well-known/smart-configuration`;
    const answer = await send(
      { method: 'GET', url, headers: { accept: 'application/json' } },
      this.#limits,
      transcript,
    );
    const value = isObject(answer.json) ? answer.json[field] : undefined;
    if (typeof value !== 'string') throw new CheckFailure(`${field} in ${url}`, `HTTP ${answer.status} ${answer.body}`);
    return value;
  }
}
