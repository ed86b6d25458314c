import type { RecordStore } from '@lockstep/store';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { BearerTokens, type LiveToken } from './access.ts';
import { AuthorizationAddresses } from './addresses.ts';
import { answerErrors, readBodies } from './answers.ts';
import { authorizeRoutes } from './authorize-routes.ts';
import { Browser, type PageError } from './browser.ts';
import { ClientAuthentication } from './client-authentication.ts';
import { ClientKeys } from './client-keys.ts';
import { Clients } from './clients.ts';
import { ClientCors } from './cors.ts';
import { type Brand, discoveryRoutes } from './discovery.ts';
import { DpopNonces } from './dpop/nonces.ts';
import { DpopProofs } from './dpop/proofs.ts';
import { GuessLimit } from './guess-limit.ts';
import { HeldRequests } from './held-requests.ts';
import { IdTokens } from './id-tokens.ts';
import { interactionRoutes } from './interaction.ts';
import { introspectionRoutes } from './introspection.ts';
import { Keys } from './keys.ts';
import { KnownBrowsers } from './known-browsers.ts';
import { LaunchContext } from './launch-context.ts';
import { launchRoutes } from './launch-routes.ts';
import { LaunchTokens } from './launch-tokens.ts';
import { type LaunchAnswer, Launches, type LaunchRequest, type PreparedLaunch } from './launches.ts';
import { limitRequests } from './limits.ts';
import { manageRoutes } from './manage-routes.ts';
import { openOutside } from './outside/desk.ts';
import type { OutsideOptions } from './outside/options.ts';
import { outsideRoutes } from './outside/routes.ts';
import { errorPage } from './pages/layout.ts';
import { PageLanguages } from './pages/page-language.ts';
import { Passkeys } from './passkeys.ts';
import { PasswordDoor } from './password-door.ts';
import type { AuditEntry, Clock, Logger, PatientDirectory, RequestLimit, SessionDirectory } from './ports.ts';
import { SmartProvider } from './provider.ts';
import { RecoveryCodes } from './recovery-codes.ts';
import { REFRESH_GRACE, RefreshGrant } from './refresh-grant.ts';
import { registrationRoutes } from './registration.ts';
import type { CanEverOpen } from './scope-policy.ts';
import { secondFactorRoutes } from './second-factor-routes.ts';
import { SecondFactors } from './second-factors.ts';
import { SignInDesk, SignInPages, signInRoutes } from './sign-in-routes.ts';
import { type SignedIn, type SignInEnded, type SignInListener, SignIns } from './sign-ins.ts';
import { TokenDoor } from './token-door.ts';
import { tokenRoutes } from './token-endpoint.ts';
import type { TokenInfo } from './token-info.ts';
import type { TokenVerifier } from './token-verifier.ts';
import type { TrustedIssuer } from './trusted/options.ts';
import { trustedRoutes } from './trusted/routes.ts';
import { TrustedIssuers } from './trusted/trusted-issuers.ts';
import { userinfoRoutes } from './userinfo.ts';
import { type UserProfile, Users } from './users.ts';

export interface AuthorizationServerOptions {
  readonly records: RecordStore;
  readonly clock: Clock;
  /** What clients use, such as `http://localhost:8080`, without a trailing slash; with a path where a proxy serves one. */
  readonly publicUrl: string;
  readonly hubUrl: string;
  /** Scopes that could never let anybody in at the FHIR endpoint are dropped (FHR-1); without it, none is. */
  readonly canEverOpen?: CanEverOpen;
  /** Whether the server listens on loopback only: self-registered clients work at once (REG-2), http is accepted. */
  readonly loopback: boolean;
  /** Brings immediate approval to a self-registration on any address (REG-2). */
  readonly initialAccessToken?: string;
  /** Whether anybody may register an app (REG-6), as without it; otherwise the initial access token is needed. */
  readonly strangersRegister?: boolean;
  /**
   * Fetches key sets from the `jwks_uri` that clients name: rejects for addresses that must not be called (CWE-918). Without
   * it key sets are fetched on loopback only.
   */
  readonly fetchKeys?: typeof fetch;
  /** Whether key sets may be fetched from a host, by its name or IP address: others are refused when an app registers. */
  readonly keyHostAllowed?: (host: string) => boolean;
  readonly sessions: SessionDirectory;
  readonly patients: PatientDirectory;
  /** Whether the sample users exist and, on loopback, sign in by one click (REG-4). */
  readonly sampleUsers: boolean;
  /** An OpenID provider that people may, or must, sign in at (REG-4). */
  readonly outside?: OutsideOptions;
  /** Authorization servers whose tokens count here as well (REG-5). */
  readonly trustedIssuers?: readonly TrustedIssuer[];
  /** Who runs the server; its address says it without one. */
  readonly brand?: Brand;
  /** Fetches keys and answers of trusted issuers, which may be in internal networks; `fetch` without it. */
  readonly fetchIssuer?: typeof fetch;
  /** Given to apps as `smart_style_url`; a plain style of the server's own otherwise. */
  readonly smartStyleUrl?: string;
  /** Whether an address is one of the server's own by which its token endpoint is reached as well: client assertions may name it. */
  readonly isTokenEndpoint?: (address: string) => boolean;
  /** How many requests a second an address, and at the token endpoint a client, may send; no limit without it. */
  readonly rateLimit?: RequestLimit;
  /** The longest life that the registration of a connector with a secret may ask for its tokens, s; a day without it. */
  readonly maxTokenLife?: number;
  /** How long a rotated refresh token gets the same successor again, s (TOK-4); 30 without it. */
  readonly refreshGrace?: number;
  /** How long a token lasts that comes with a launch without OAuth, s; twelve hours without it. */
  readonly launchTokenLife?: number;
  /** Whether every DPoP proof must hold a nonce of this server's (RFC 9449 section 8). */
  readonly dpopNonce?: boolean;
  /** Folder with the languages of the pages, one file each; our own without it. */
  readonly languages?: URL;
  readonly logger: Logger;
  readonly audit?: (entry: AuditEntry) => void;
}

export interface AuthorizationServer extends TokenVerifier {
  /** Discovery, authorization, tokens, registration, pages and `POST /launch`. */
  readonly plugin: FastifyPluginAsync;
  /** The person signed in at the browser that sent the request. */
  signedIn(request: Pick<FastifyRequest, 'headers'>): Promise<SignedIn | undefined>;
  /** Tells who signed out. Whoever ends a sign-in is answered once the listeners are done; they never reject. */
  onSignedOut(listener: SignInListener): () => void;
  /** Somebody signed out at another node. */
  signedOutElsewhere(ended: SignInEnded): void;
  /** Makes a launch for a user, as `POST /launch` does. */
  launch(user: UserProfile, request: LaunchRequest): Promise<LaunchAnswer>;
  /** Makes a launch whose value the caller hands over itself. @throws OAuthError */
  prepareLaunch(user: UserProfile, request: PreparedLaunch): Promise<string>;
  /**
   * Signs a user in without asking for anything: for launches that are simulated as somebody else.
   * @returns the Set-Cookie values
   */
  beginSignIn(user: UserProfile): Promise<readonly string[]>;
  /** Whether the app has come to the authorization endpoint with a launch that was made for it. */
  launchAsked(launch: string): Promise<boolean>;
  /**
   * Makes a token for the person signed in at one of the server's own pages; it ends with the sign-in.
   * @throws Error when the client is not registered
   */
  pageToken(
    clientId: string,
    signedIn: SignedIn,
    given: { readonly scope: string; readonly life: number },
  ): Promise<{ readonly token: string; readonly expiresAt: number }>;
  /**
   * Makes a token for one of the server's own clients that acts for no person; it sees every session.
   * @throws Error when the client is not registered
   */
  serverToken(
    clientId: string,
    given: { readonly scope: string; readonly life: number },
  ): Promise<{ readonly token: string; readonly expiresAt: number }>;
  readonly launchTokens: LaunchTokens;
  /** Answers a page's request with the page of an error, in the language of the person (AUT-2). */
  sendErrorPage(request: FastifyRequest, reply: FastifyReply, error: PageError): FastifyReply;
  /** What the pages are written in. */
  readonly languages: PageLanguages;
  /** Where passwords are checked, with a limit on guesses that all pages share. */
  readonly passwordDoor: PasswordDoor;
  /** Ends one-time codes, passkeys and recovery codes of a user. @returns whether there were any */
  endSecondFactors(user: string): Promise<boolean>;
  /** Ends the user's other sign-ins, and what was granted with them: people who knew the old password lose access. */
  endOtherAccess(signedIn: SignedIn, reason: string): Promise<void>;
  readonly clients: Clients;
  readonly users: Users;
  readonly keys: Keys;
  /** The tokens of a client that work now (REG-3). */
  liveTokens(clientId: string): Promise<readonly LiveToken[]>;
  /** Ends one token (with its grant) by its id. */
  revokeToken(tokenId: string): Promise<boolean>;
  /** Ends everything that a client holds: tokens, refresh tokens, codes and launches that it has not taken up yet. */
  revokeAllOf(clientId: string): Promise<void>;
}

export async function createAuthorizationServer(options: AuthorizationServerOptions): Promise<AuthorizationServer> {
  const { records, clock, loopback, logger, canEverOpen = () => true } = options;
  const addresses = new AuthorizationAddresses(options.publicUrl);
  const audit = options.audit ?? ((entry) => logger.info({ audit: entry }, 'audit'));
  const access: BearerTokens = new BearerTokens(records, clock, addresses, () => ({ clients, users }));
  const clients = new Clients(records, clock, {
    policy: {
      insecureAllowed: loopback,
      keyHostAllowed: options.keyHostAllowed ?? (() => true),
      maxTokenLife: options.maxTokenLife ?? 24 * 3600,
      canEverOpen,
    },
    end: (id, reason) => access.endClient(id, reason),
    endLaunchedBy: (id) => access.endLaunchedBy(id),
  });
  const users = new Users(records, clock, async (user, reason) => {
    await signIns.endAllOf(user, reason);
    await access.endUser(user, reason);
  });
  const signIns: SignIns = new SignIns(records, clock, {
    users,
    access,
    directory: options.sessions,
    place: addresses,
  });
  const keys = new Keys(records, clock);
  await keys.open();
  if (options.sampleUsers) await users.addSamples();

  const clientKeys = new ClientKeys(clock, options.fetchKeys ?? (loopback ? fetchLater : fetchNothing));
  const authentication = new ClientAuthentication(
    records,
    clock,
    clients,
    clientKeys,
    addresses.token,
    (audience) => audience === addresses.issuer || options.isTokenEndpoint?.(audience) === true,
  );
  const cors = new ClientCors(clients, addresses);
  const launchContext = new LaunchContext(options.hubUrl, options.smartStyleUrl ?? addresses.style);

  const { patients, sessions } = options;
  const launches = new Launches(records, clock, { addresses, clients, patients, sessions });
  const languages = new PageLanguages(options.languages);
  const browser = new Browser(addresses, languages);
  const held = new HeldRequests(records, clock);
  const samples = options.sampleUsers && loopback;
  const outside = options.outside && openOutside(options.outside, { records, clock, addresses, users, logger, audit });
  const secondFactors = new SecondFactors(records, clock, `Lockstep ${new URL(addresses.origin).host}`);
  const passkeys = new Passkeys(records, clock, addresses);
  const recoveryCodes = new RecoveryCodes(records, clock);
  const browsers = new KnownBrowsers(records, clock, addresses.secure);
  const door = new PasswordDoor({ users, browsers, secondFactors, passkeys, recoveryCodes, records, clock, audit });
  const signInParts = { base: addresses.path, users, signIns, browser, door, samples, outside, audit };
  const desk = new SignInDesk(signInParts);
  const signInPages = new SignInPages(signInParts, desk);
  const idTokens = new IdTokens({ addresses, keys, patients, clock });
  const provider = new SmartProvider({
    store: records,
    clock,
    addresses,
    access,
    clients,
    users,
    signIns,
    keys,
    idTokens,
    launchContext,
    logger,
    errorPage: (request, error, description) => errorPage(browser.settingOf(request), error, description),
  });
  const grace = options.refreshGrace ?? REFRESH_GRACE;
  const refresh = new RefreshGrant({ clock, access, users, signIns, idTokens, launchContext, grace, canEverOpen });

  const trusted = new TrustedIssuers({
    issuers: options.trustedIssuers ?? [],
    records,
    clock,
    users,
    addresses,
    audit,
    fetchIssuer: options.fetchIssuer ?? fetchLater,
    canEverOpen,
    ended: (ended) => access.tellEnded(ended),
  });
  access.onAccessEnded((ended) => trusted.forget(ended));

  /** Tokens of ours hold no dot, JWTs of others do; what is no token of ours may be one that its issuer knows. */
  async function verifyToken(bearer: string): Promise<TokenInfo | undefined> {
    const own = bearer.includes('.') ? undefined : await access.verifyToken(bearer);
    return own ?? trusted.verify(bearer);
  }

  const nonces = await DpopNonces.open(records, clock);
  const nonceRequired = options.dpopNonce ?? false;
  const proofs = new DpopProofs(records, clock, { publicUrl: addresses.publicUrl, nonces, nonceRequired });
  const remembered = (bearer: string): TokenInfo | undefined =>
    bearer.includes('.') ? trusted.remembered(bearer) : access.remembered(bearer);
  const tokens = new TokenDoor(verifyToken, proofs, remembered, (url) => addresses.resourceMetadata(url));

  const plugin: FastifyPluginAsync = async (app) => {
    readBodies(app);
    answerErrors(app, logger, (request, reply, error) => browser.sendError(request, reply, error));
    if (options.rateLimit) limitRequests(app, options.rateLimit);
    const issuers = (options.trustedIssuers ?? []).map(({ issuer }) => issuer);
    discoveryRoutes(app, addresses, keys, options.hubUrl, issuers, options.brand);
    userinfoRoutes(app, { tokens, users, idTokens });
    registrationRoutes(app, addresses, clients, { ...options, guesses: new GuessLimit(records, clock) }, audit);
    tokenRoutes(app, {
      addresses,
      access,
      authentication,
      cors,
      provider,
      refresh,
      proofs,
      canEverOpen,
      limit: options.rateLimit,
    });
    authorizeRoutes(app, { addresses, clients, launches, provider, browser, held, canEverOpen });
    interactionRoutes(app, {
      store: records,
      clock,
      addresses,
      access,
      clients,
      launches,
      patients,
      sessions,
      provider,
      signIns,
      desk,
      outside,
      browser,
      held,
      audit,
    });
    signInRoutes(app, signInParts, desk, signInPages);
    secondFactorRoutes(app, {
      browser,
      signIns,
      door,
      secondFactors,
      passkeys,
      recoveryCodes,
      audit,
    });
    if (outside) outsideRoutes(app, { signIns, browser, desk, outside, pages: signInPages });
    trustedRoutes(app, trusted);
    launchRoutes(app, { hubUrl: options.hubUrl, tokens, launches, signIns, sessions, users, audit });
    manageRoutes(app, { addresses, access, clients, signIns, browser, audit });
    introspectionRoutes(app, { addresses, access, clients, clock, users, authentication, cors, launchContext, tokens });
  };

  return {
    plugin,
    tokens,
    verifyToken,
    onAccessEnded: (listener) => access.onAccessEnded(listener),
    invalidate: (ended) => {
      if (ended.clientId) clients.invalidate(ended.clientId);
      access.invalidate(ended);
    },
    doubt: () => {
      clients.invalidate();
      access.doubt();
      trusted.forget();
    },
    signedIn: (request) => signIns.signedIn(request),
    onSignedOut: (listener) => signIns.onEnded(listener),
    signedOutElsewhere: (ended) => void signIns.tellEnded(ended),

    launch: (user, request) => launches.create(user, request),
    prepareLaunch: (user, request) => launches.prepare(user, request),
    beginSignIn: async (user) => (await signIns.start(user, undefined)).cookies,
    launchAsked: (launch) => launches.wasAsked(launch),
    async pageToken(clientId, signedIn, given) {
      const client = await clients.get(clientId);
      if (!client) throw new Error(`the client ${clientId} is not registered`);
      return access.issueUserToken(client, signedIn, { ...given, topics: [signedIn.topic] });
    },
    async serverToken(clientId, { scope, life }) {
      const client = await clients.get(clientId);
      const token = client && (await access.issueBackendToken(client, scope, life));
      if (token === undefined) throw new Error(`the client ${clientId} is not registered`);
      return { token, expiresAt: clock.now() + life * 1000 };
    },
    sendErrorPage: (request, reply, error) => browser.sendError(request, reply, error),
    languages,
    passwordDoor: door,
    async endSecondFactors(user) {
      const [hadCodes, removed] = await Promise.all([
        secondFactors.remove(user),
        passkeys.remove(user),
        recoveryCodes.remove(user),
      ]);
      return hadCodes || removed.length > 0;
    },
    async endOtherAccess({ user, signInId }, reason) {
      await signIns.endAllOf(user, reason, signInId);
      await access.endGrantsOfOtherSignIns(user.id, signInId, reason);
    },
    launchTokens: new LaunchTokens({ access, signIns, clock, canEverOpen, life: options.launchTokenLife }),
    clients,
    users,
    keys,
    liveTokens: (clientId) => access.liveTokens(clientId),
    revokeToken: (tokenId) => access.endToken(tokenId, 'an administrator revoked the token'),
    revokeAllOf: (clientId) => access.endClient(clientId, 'an administrator revoked the tokens'),
  };
}

/** Node's `fetch`, which it loads where it is first named. */
const fetchLater: typeof fetch = (...asked) => fetch(...asked);

function fetchNothing(): Promise<never> {
  return Promise.reject(new Error('key sets are not fetched here'));
}
