// A second, real OpenID provider on a port of its own, where a person signs in without a page in between. What it answers
// can be spoilt on its way out.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import Provider, { type AdapterPayload, type ClientAuthMethod, type ClientMetadata } from 'oidc-provider';
import type { OutsideOptions } from '../src/index.ts';
import { formsOf, type Page, TestBrowser } from './browsing.ts';
import { startServer, type TestServer } from './harness.ts';

export const CLIENT_ID = 'lockstep';
export const SECRET = 'a secret of forty-three characters, or near it';

type PrivateKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
type SpoilIdToken = (claims: JWTPayload, idp: OutsideIdp) => string | undefined | Promise<string | undefined>;

const LIVES = ['AccessToken', 'AuthorizationCode', 'Grant', 'IdToken', 'Interaction', 'Session'];

/** What the provider keeps, each kind for itself. */
class MemoryAdapter {
  readonly #kept = new Map<string, AdapterPayload>();
  async upsert(id: string, payload: AdapterPayload): Promise<undefined> {
    this.#kept.set(id, payload);
  }
  async find(id: string): Promise<AdapterPayload | undefined> {
    return this.#kept.get(id);
  }
  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return [...this.#kept.values()].find((payload) => payload.uid === uid);
  }
  async findByUserCode(): Promise<undefined> {}
  async consume(id: string): Promise<undefined> {
    this.#kept.set(id, { ...this.#kept.get(id), consumed: Math.floor(Date.now() / 1000) });
  }
  async destroy(id: string): Promise<undefined> {
    this.#kept.delete(id);
  }
  async revokeByGrantId(): Promise<undefined> {}
}

interface IdpOptions {
  /** Its registration of Lockstep, over what a confidential client has. */
  readonly client?: Partial<ClientMetadata>;
  readonly claimsInIdToken?: boolean;
  readonly clientAuthMethods?: ClientAuthMethod[];
}

export class OutsideIdp {
  readonly origin: string;
  /** Claims of the people it knows, by subject. */
  readonly people = new Map<string, Record<string, unknown>>();
  /** Who signs in when a browser comes. */
  subject = 'subject-1';
  /** What it answers instead of signing somebody in. */
  refusal: { error: string; error_description?: string } | undefined;
  /** Replaces the id token. */
  idToken: SpoilIdToken | undefined;
  /** The parameters of the authorization requests that came. */
  readonly requests: URLSearchParams[] = [];
  readonly key: { readonly jwk: JWK; readonly privateKey: PrivateKey };
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>, key: OutsideIdp['key']) {
    this.#server = server;
    this.key = key;
    this.origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  }

  /** Takes a port; it answers once it knows Lockstep. */
  static async start(t: Pick<TestContext, 'after'>): Promise<OutsideIdp> {
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = { ...(await exportJWK(privateKey)), kid: 'outside', alg: 'RS256', use: 'sig' };
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    return new OutsideIdp(server, { jwk, privateKey });
  }

  serve(lockstep: string, options: IdpOptions = {}): void {
    const provider = this.#build(lockstep, options);
    this.#server.on('request', (request, response) => void this.#answer(provider, request, response));
  }

  /** It is gone: connections are refused. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #build(lockstep: string, options: IdpOptions): Provider {
    const life = () => 600;
    const provider = new Provider(this.origin, {
      adapter: MemoryAdapter,
      ttl: Object.fromEntries(LIVES.map((kind) => [kind, life])),
      jwks: { keys: [this.key.jwk as never] },
      clients: [
        {
          client_id: CLIENT_ID,
          client_secret: SECRET,
          redirect_uris: [`${lockstep}/auth/outside/callback`],
          post_logout_redirect_uris: [`${lockstep}/auth/signed-out`],
          ...options.client,
        },
      ],
      claims: {
        openid: ['sub'],
        profile: ['name', 'preferred_username', 'fhirUser', 'realm_access', 'groups', 'email'],
      },
      ...(options.clientAuthMethods && { clientAuthMethods: options.clientAuthMethods }),
      conformIdTokenClaims: options.claimsInIdToken !== true,
      cookies: { keys: ['outside'] },
      features: { devInteractions: { enabled: false } },
      findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub, ...this.people.get(sub) }) }),
      interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
      pkce: { required: () => true },
    });
    provider.use(async (ctx, next) => {
      if (ctx.path === '/auth') this.requests.push(new URLSearchParams(ctx.querystring));
      await next();
      const body = ctx.body as { id_token?: string } | undefined;
      if (ctx.path !== '/token' || ctx.status !== 200 || !this.idToken || !body?.id_token) return;
      const claims = JSON.parse(Buffer.from(body.id_token.split('.')[1] ?? '', 'base64url').toString()) as JWTPayload;
      ctx.body = { ...body, id_token: await this.idToken(claims, this) };
    });
    return provider;
  }

  async #answer(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!request.url?.startsWith('/interaction/')) return provider.callback()(request, response);
    const { params, prompt, session } = await provider.interactionDetails(request, response);
    if (this.refusal) return provider.interactionFinished(request, response, this.refusal);
    if (prompt.name === 'login') {
      return provider.interactionFinished(request, response, { login: { accountId: this.subject } });
    }
    const grant = new provider.Grant({ accountId: session?.accountId ?? '', clientId: String(params.client_id) });
    grant.addOIDCScope(String(params.scope));
    const grantId = await grant.save();
    return provider.interactionFinished(request, response, { consent: { grantId } });
  }

  /** An id token of this provider's with other claims. */
  sign(claims: JWTPayload, key: PrivateKey = this.key.privateKey): Promise<string> {
    return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'outside' }).sign(key);
  }
}

/** A person at a browser that goes from Lockstep to the outside provider and back. */
export class Traveller {
  readonly browser: TestBrowser;
  readonly #elsewhere: TestBrowser;
  readonly #idp: OutsideIdp;

  constructor(server: TestServer, idp: OutsideIdp) {
    this.browser = new TestBrowser(server);
    this.#elsewhere = new TestBrowser({ ...server, origin: idp.origin });
    this.#idp = idp;
  }

  /** Presses the button on our sign-in page. @returns the page at the provider's door, or ours where it says why not */
  leave(page: Page): Promise<Page> {
    return this.browser.submit(page, { label: 'Sign in with' });
  }

  /** Signs in at the provider. @returns the address it sends the browser back to */
  async answered(page: Page): Promise<string> {
    if (!page.url.startsWith(this.#idp.origin)) throw new Error(`the browser is at ${page.url}: ${page.text}`);
    return (await this.#elsewhere.go(page.url)).url;
  }

  /** The whole way, from a page with the button. */
  async through(page: Page): Promise<Page> {
    return this.browser.go(await this.answered(await this.leave(page)));
  }

  /** The whole way, from our sign-in page. */
  async signIn(next = '/auth/manage'): Promise<Page> {
    return this.through(await this.browser.go(`/auth/sign-in?return=${encodeURIComponent(next)}`));
  }

  /** Signed in at the provider no more. */
  forget(): void {
    this.#elsewhere.cookies.clear();
  }
}

/** Whether a page has the button of the outside provider, and fields for a password. */
export function waysOf(page: Page): { outside: string | undefined; password: boolean } {
  const forms = formsOf(page);
  const buttons = forms.flatMap((form) => form.buttons);
  return {
    outside: buttons.find(({ label }) => label.startsWith('Sign in with'))?.label,
    password: forms.some(({ fields }) => fields.some(([name]) => name === 'password')),
  };
}

/** A server whose people sign in at an outside provider as well, and one of them. */
export async function startOutside(
  t: TestContext,
  options: {
    outside?: Partial<OutsideOptions>;
    idp?: Parameters<OutsideIdp['serve']>[1];
    server?: Parameters<typeof startServer>[1];
  } = {},
) {
  const idp = await OutsideIdp.start(t);
  idp.people.set('subject-1', { name: 'Dr. Vera Sole', preferred_username: 'VSole' });
  const outside: OutsideOptions = {
    issuer: idp.origin,
    clientId: CLIENT_ID,
    clientSecret: SECRET,
    name: 'City Hospital',
    scope: 'openid profile',
    userClaim: 'preferred_username',
    fhirUserClaim: 'fhirUser',
    passwords: true,
    newUsers: true,
    linkByName: false,
    ...options.outside,
  };
  const server = await startServer(t, { outside, ...options.server });
  idp.serve(server.origin, options.idp);
  return { server, idp, person: new Traveller(server, idp) };
}
