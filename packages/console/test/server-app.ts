/** A SMART app with a server of its own, as small as one can be: launched, it redeems its code and shows what it got. */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A client assertion (RFC 7523) for an audience. */
function assertion(clientId: string, audience: string, key: KeyObject): string {
  const exp = Math.floor(Date.now() / 1000) + 60;
  const claims = { iss: clientId, sub: clientId, aud: audience, exp, jti: randomBytes(16).toString('hex') };
  const signed = `${encode({ alg: 'ES384', typ: 'JWT', kid: 'app' })}.${encode(claims)}`;
  const signature = sign('sha384', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

interface Launched {
  readonly verifier: string;
  readonly tokenEndpoint: string;
}

export class ServerApp {
  clientId = 'never-registered';
  readonly jwks: { readonly keys: readonly object[] };
  readonly origin: string;
  readonly close: () => void;
  readonly #key: KeyObject;
  /** Whether it authenticates with its key. */
  withKey = false;
  readonly #launched = new Map<string, Launched>();

  private constructor(origin: string, close: () => void) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    this.origin = origin;
    this.close = close;
    this.#key = privateKey;
    this.jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'app', alg: 'ES384', use: 'sig' }] };
  }

  static async open(): Promise<ServerApp> {
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', app.origin);
      const serve = url.pathname === '/launch' ? app.#launch(url) : app.#redeem(url);
      serve.then(
        (answer) => {
          if (answer.startsWith('http')) response.writeHead(303, { location: answer }).end();
          else response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(answer);
        },
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const app = new ServerApp(`http://localhost:${port}`, () => {
      server.close();
      server.closeAllConnections();
    });
    return app;
  }

  async #launch({ searchParams }: URL): Promise<string> {
    const iss = searchParams.get('iss') ?? searchParams.get('fhirServiceUrl') ?? '';
    const launch = searchParams.get('launch');
    const found = (await (await fetch(`${iss}/.well-known/smart-configuration`)).json()) as Record<string, string>;
    const verifier = randomBytes(32).toString('base64url');
    const state = randomBytes(16).toString('hex');
    this.#launched.set(state, { verifier, tokenEndpoint: found.token_endpoint ?? '' });
    const url = new URL(found.authorization_endpoint ?? '');
    url.search = new URLSearchParams({
      response_type: 'code',
      client_id: this.clientId,
      redirect_uri: `${this.origin}/back`,
      scope: launch === null ? 'openid fhirUser user/*.rs' : 'openid fhirUser launch user/*.rs fhircast/*.*',
      state,
      aud: iss,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...(launch !== null && { launch }),
    }).toString();
    return url.href;
  }

  async #redeem({ searchParams }: URL): Promise<string> {
    const { verifier, tokenEndpoint } = this.#launched.get(searchParams.get('state') ?? '') ?? {};
    if (!verifier || !tokenEndpoint) return 'nobody launched this';
    const code = searchParams.get('code');
    if (code === null) return `refused: ${searchParams.get('error_description')}`;
    const body = new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: `${this.origin}/back`,
      code_verifier: verifier,
      ...(this.withKey
        ? {
            client_assertion_type: ASSERTION_TYPE,
            client_assertion: assertion(this.clientId, tokenEndpoint, this.#key),
          }
        : { client_id: this.clientId }),
    });
    const token = (await (await fetch(tokenEndpoint, { method: 'POST', body })).json()) as Record<string, unknown>;
    const { patient, error_description: why, 'hub.url': hub } = token;
    return why === undefined ? `launched with ${String(patient ?? 'no patient')} at ${String(hub)}` : `failed: ${why}`;
  }
}
