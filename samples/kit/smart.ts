/** SMART App Launch for a page without a server: EHR launch, standalone launch, refresh. All of it is in this file. */
import { besideSaid, ToldError, t } from './words.ts';

export interface SmartApp {
  readonly id: string;
  /** The page's path below its server; launch and redirect address in one. */
  readonly path: string;
  readonly scope: string;
}

export interface TokenResponse {
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly patient?: string;
  readonly scope?: string;
  readonly [field: string]: unknown;
}

export type Start =
  /** The person is on the way to the authorization server. */
  | { readonly kind: 'leaving' }
  /** The page was not launched: it may launch itself. */
  | { readonly kind: 'welcome' }
  | { readonly kind: 'ready'; readonly grant: Grant };

interface Pending {
  readonly state: string;
  readonly verifier: string;
  readonly tokenEndpoint: string;
  readonly iss: string;
}

interface Kept {
  readonly iss: string;
  readonly tokenEndpoint: string;
  readonly token: TokenResponse;
}

/** The address of the page itself, where launches and their answers come. */
function ownAddress(): string {
  return location.origin + location.pathname;
}

/** The server that the sample came from: the proxy in front may serve it below a path. */
export function homeServer({ path }: SmartApp): string {
  const { origin, pathname } = location;
  return origin + (pathname.endsWith(path) ? pathname.slice(0, -path.length) : '');
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

const random = (): string => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function challengeOf(verifier: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))));
}

/** @param what could not be done, for people. @throws ToldError */
async function json(request: Promise<Response>, what: string): Promise<Record<string, unknown>> {
  const response = await request.catch((): never => {
    throw new ToldError({ text: t('kit.serverUnreachable') });
  });
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (response.ok) return body;
  const said = String(body.error_description ?? body.error ?? `HTTP ${response.status}`);
  throw new ToldError(besideSaid(what, `${what}: ${said}`));
}

/** `sub` of an identity token, which came straight from the token endpoint: its signature proves nothing more here. */
function subjectOf(idToken: unknown): string {
  try {
    const payload = String(idToken).split('.')[1] ?? '';
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    return String((claims as { sub?: unknown }).sub ?? '');
  } catch {
    return '';
  }
}

/** Storage of this window and this app alone. */
function slot<T>(name: string): { get(): T | undefined; set(value: T): void; clear(): void } {
  return {
    get: () => JSON.parse(sessionStorage.getItem(name) ?? 'null') ?? undefined,
    set: (value) => sessionStorage.setItem(name, JSON.stringify(value)),
    clear: () => sessionStorage.removeItem(name),
  };
}

/** What was granted: where the record is, the token, and a way to a new one. */
export class Grant {
  readonly iss: string;
  readonly #app: SmartApp;
  readonly #tokenEndpoint: string;
  #token: TokenResponse;
  #renewing: Promise<TokenResponse> | undefined;
  /** Whether the server gives no token any more. */
  ended = false;
  /** Called when the access has ended for good. */
  onEnded: () => void = () => undefined;

  #launchPatient: string | undefined;

  /** @param fresh whether the launch has just been made: a page that is loaded again has no launch to begin with */
  constructor(app: SmartApp, { iss, tokenEndpoint, token }: Kept, fresh: boolean) {
    this.#app = app;
    this.#launchPatient = fresh ? token.patient : undefined;
    this.iss = iss;
    this.#tokenEndpoint = tokenEndpoint;
    this.#token = token;
  }

  get token(): TokenResponse {
    return this.#token;
  }

  /** Who has signed in, as the identity token names them; empty where there is none. Tells whose drafts are whose. */
  get user(): string {
    return subjectOf(this.#token.id_token);
  }

  /** The patient whom the launch is about; given once. */
  takeLaunchPatient(): string | undefined {
    const patient = this.#launchPatient;
    this.#launchPatient = undefined;
    return patient;
  }

  /** A new token by the refresh token; callers at the same time share one. @throws Error when the grant has ended */
  renew = (): Promise<TokenResponse> => {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  };

  async #renew(): Promise<TokenResponse> {
    const { refresh_token: refreshToken } = this.#token;
    if (!refreshToken) throw this.#end();
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
      client_id: this.#app.id,
    });
    const response = await fetch(this.#tokenEndpoint, { method: 'POST', body }).catch((): never => {
      throw new ToldError({ text: t('kit.serverUnreachable') });
    });
    if (response.status === 400 || response.status === 401) throw this.#end();
    const fresh = (await json(Promise.resolve(response), t('kit.launch.notRenewed'))) as unknown as TokenResponse;
    this.#token = { ...this.#token, ...fresh };
    slot<Kept>(`token ${this.#app.id}`).set({
      iss: this.iss,
      tokenEndpoint: this.#tokenEndpoint,
      token: this.#token,
    });
    return this.#token;
  }

  #end(): Error {
    this.ended = true;
    this.onEnded();
    return new ToldError({ text: t('kit.accessEnded') });
  }
}

/** Sends the person to the authorization server. @param launch of an EHR; without one the app launches itself */
export async function authorize(app: SmartApp, iss: string, launch?: string): Promise<void> {
  const found = await json(fetch(`${iss}/.well-known/smart-configuration`), t('kit.launch.noServer'));
  const verifier = random();
  const state = random();
  const scope = app.scope
    .split(' ')
    .filter((one) => (launch === undefined ? one !== 'launch' : !one.startsWith('launch/')))
    .join(' ');
  slot<Pending>(`launch ${app.id}`).set({ state, verifier, tokenEndpoint: String(found.token_endpoint), iss });
  const url = new URL(String(found.authorization_endpoint));
  url.search = String(
    new URLSearchParams({
      response_type: 'code',
      client_id: app.id,
      redirect_uri: ownAddress(),
      scope,
      state,
      aud: iss,
      code_challenge: await challengeOf(verifier),
      code_challenge_method: 'S256',
      ...(launch !== undefined && { launch }),
    }),
  );
  location.replace(url.href);
}

async function redeem(app: SmartApp, code: string, state: string | null): Promise<Grant> {
  const pending = slot<Pending>(`launch ${app.id}`);
  const { verifier, tokenEndpoint, iss, state: expected } = pending.get() ?? {};
  pending.clear();
  if (!verifier || !tokenEndpoint || !iss || state !== expected) {
    throw new ToldError({ text: t('kit.launch.another') });
  }
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    redirect_uri: ownAddress(),
    client_id: app.id,
    code_verifier: verifier,
  });
  const response = fetch(tokenEndpoint, { method: 'POST', body });
  const token = (await json(response, t('kit.launch.notCompleted'))) as unknown as TokenResponse;
  const kept = { iss, tokenEndpoint, token };
  slot<Kept>(`token ${app.id}`).set(kept);
  return new Grant(app, kept, true);
}

/** Finds out how the page was opened, and goes on from there. @throws Error with what is wrong with the launch */
export async function start(app: SmartApp): Promise<Start> {
  const query = new URLSearchParams(location.search);
  const [iss, launch, code, error] = ['iss', 'launch', 'code', 'error'].map((name) => query.get(name));
  if (location.search !== '') history.replaceState(null, '', location.pathname);
  if (error) throw new ToldError(besideSaid(t('kit.launch.notCompleted'), query.get('error_description') ?? error));
  if (code) return { kind: 'ready', grant: await redeem(app, code, query.get('state')) };
  if (iss && launch) {
    await authorize(app, iss, launch);
    return { kind: 'leaving' };
  }
  // A standalone launch may name the record to start with.
  const record = query.get('fhirServiceUrl');
  if (record) {
    await authorize(app, record);
    return { kind: 'leaving' };
  }
  if (iss || launch) throw new ToldError({ text: t('kit.launch.missing') });
  const kept = slot<Kept>(`token ${app.id}`).get();
  return kept ? { kind: 'ready', grant: new Grant(app, kept, false) } : { kind: 'welcome' };
}

/** Forgets the access that this window has. */
export function forget(app: SmartApp): void {
  slot(`token ${app.id}`).clear();
}
