/** Clients that are made for simulated launches: never on a server that others can reach. */

import { hash, randomBytes } from 'node:crypto';
import type { DeclaredClient } from '@lockstep/console/simulation';
import { type AuthorizationServer, OAuthError, type UserProfile } from '@lockstep/smart';
import { isLoopback } from '../config.ts';
import { assertedId, basicId } from '../http/claimed-client.ts';

/** How long a launch by address may be redeemed, ms. */
const LAUNCH_LIFE = 5 * 60_000;
/** Clients that are kept; the oldest go. */
const MOST = 50;
/** Redirect addresses and scopes of one client that may ask for any; the oldest addresses go. */
const MOST_REDIRECTS = 20;
const LONGEST_SCOPE = 2000;

const PREFIX = 'unchecked-';

/** What a launch brings to an app that has no registration. */
export interface LaunchByAddress {
  readonly user: UserProfile;
  readonly topic: string;
  readonly patient?: string;
  readonly encounter?: string;
  readonly imagingStudy?: string;
  readonly consented?: boolean;
}

type Clients = AuthorizationServer['clients'];

export interface StandInParts {
  readonly publicUrl: string;
  readonly authorization: { readonly clients: Clients } & Pick<AuthorizationServer, 'prepareLaunch'>;
  readonly now: () => number;
}

/** Whether the client stands in for an app, and is none itself. */
export function isStandIn(clientId: string): boolean {
  return clientId.startsWith(PREFIX);
}

/** The id of the client that stands in for one that claims to be `clientId`. */
export function standInOf(clientId: string): string {
  return `${PREFIX}${hash('sha256', clientId, 'base64url').slice(0, 22)}`;
}

/** Whether an address is one of this machine: the only ones to which a link may send people without a registration (CWE-601). */
export function isOnThisMachine(address: string): boolean {
  const url = URL.parse(address);
  return url !== null && /^https?:$/.test(url.protocol) && isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
}

/** @throws OAuthError */
function requireThisMachine(address: string): void {
  if (isOnThisMachine(address)) return;
  const why = 'redirect_uri: without a registration an app comes back to this machine only: register it instead';
  throw new OAuthError('invalid_request', why);
}

/** Removes what simulated launches have left, on a server that does not simulate any. */
export async function removeSimulatedClients(clients: Clients): Promise<void> {
  for await (const { id } of simulatedClients(clients)) await clients.delete(id);
}

async function* simulatedClients(clients: Clients) {
  let after: string | undefined;
  do {
    const { clients: page, next } = await clients.page({ after });
    for (const client of page) if (client.simulated === true || isStandIn(client.id)) yield client;
    after = next;
  } while (after !== undefined);
}

/** What is registered of a declared client. */
interface Declared {
  /** The description, as JSON. */
  readonly declaration: string;
  readonly redirects: readonly string[];
  readonly scope: string;
}

const AUTH_METHODS = { public: 'none', symmetric: 'client_secret_basic', asymmetric: 'private_key_jwt' } as const;

export class StandIns {
  readonly #parts: StandInParts;
  readonly #launches = new Map<string, LaunchByAddress & { readonly expiresAt: number }>();
  readonly #declared = new Map<string, Declared>();

  constructor(parts: StandInParts) {
    this.#parts = parts;
  }

  /** @returns the `launch` value for an app whose client is not known yet */
  remember(launch: LaunchByAddress): string {
    const now = this.#parts.now();
    for (const [id, { expiresAt }] of this.#launches) if (expiresAt <= now) this.#launches.delete(id);
    const id = randomBytes(32).toString('base64url');
    this.#launches.set(id, { ...launch, expiresAt: now + LAUNCH_LIFE });
    return id;
  }

  /**
   * An authorization request as the app's stand-in would make it.
   * @throws OAuthError for what could not be registered by anybody
   */
  async admit(params: URLSearchParams): Promise<URLSearchParams> {
    const clientId = params.get('client_id');
    const redirectUri = params.get('redirect_uri');
    if (!clientId || !redirectUri) throw new OAuthError('invalid_request', 'client_id and redirect_uri are needed');
    requireThisMachine(redirectUri);
    const id = await this.#standIn(clientId, redirectUri, params.get('scope') ?? '');
    const admitted = new URLSearchParams(params);
    admitted.set('client_id', id);
    return this.#withLaunch(admitted, id);
  }

  /**
   * An authorization request by the client that the launch declares.
   * @throws OAuthError for another client, or one that could not be registered
   */
  async admitDeclared(params: URLSearchParams, client: DeclaredClient): Promise<URLSearchParams> {
    if (params.get('client_id') !== client.id) {
      throw new OAuthError('invalid_client', `client_id is not ${client.id}, which the launch declares`);
    }
    await this.declare(client, { redirectUri: params.get('redirect_uri') ?? '', scope: params.get('scope') ?? '' });
    return this.#withLaunch(new URLSearchParams(params), client.id);
  }

  /**
   * Registers the client of a launch that declares it, as it is described there.
   * @param asked what it asks for, and gets where the launch does not say what it may ask for
   * @throws OAuthError where it could not be registered, or an app of this id is registered
   */
  async declare(
    client: DeclaredClient,
    asked: { readonly redirectUri?: string; readonly scope: string },
  ): Promise<void> {
    const { clients } = this.#parts.authorization;
    const { id, secret } = client;
    for (const address of [...(client.redirects ?? []), asked.redirectUri ?? []].flat()) requireThisMachine(address);
    const known = await clients.get(id);
    if (known && known.simulated !== true) {
      throw new OAuthError('invalid_client', `client_id: ${id} is a registered app: choose that one`);
    }
    const declaration = JSON.stringify(client);
    const before = known && this.#declared.get(id);
    const same = before?.declaration === declaration ? before : undefined;
    const redirects = client.redirects?.length
      ? client.redirects
      : distinct([...(same?.redirects ?? []), asked.redirectUri ?? '']).slice(-MOST_REDIRECTS);
    const scope = client.scope || distinct(`${same?.scope ?? ''} ${asked.scope}`.split(/\s+/)).join(' ');
    const declared: Declared = { declaration, redirects, scope: scope.slice(0, LONGEST_SCOPE) };
    if (same && JSON.stringify(same) === JSON.stringify(declared)) return;
    // What is described in another way is another client: tokens of the first one are none of the second's.
    if (known) await clients.delete(id);
    await this.#add(this.#metadataOf(client, declared), id, secret);
    this.#declared.set(id, declared);
  }

  #metadataOf(client: DeclaredClient, { redirects, scope }: Declared): Record<string, unknown> {
    const { id, type, keys = '', backend = false } = client;
    return {
      client_name: `${id.slice(0, 80)} (declared in the launch)`,
      description: 'A simulated launch: this client is registered nowhere else.',
      token_endpoint_auth_method: AUTH_METHODS[type],
      ...(type === 'asymmetric' && keysOf(keys)),
      scope,
      ...(backend
        ? { grant_types: ['client_credentials'], launch_kinds: ['backend'] }
        : {
            launch_url: `${this.#parts.publicUrl}/`,
            redirect_uris: redirects,
            grant_types: ['authorization_code', 'refresh_token'],
            launch_kinds: ['ehr', 'standalone'],
          }),
    };
  }

  /** The launch that was made for an address becomes one of this client's. */
  async #withLaunch(params: URLSearchParams, clientId: string): Promise<URLSearchParams> {
    const launch = this.#launches.get(params.get('launch') ?? '');
    if (launch && launch.expiresAt > this.#parts.now()) {
      const { user, expiresAt: _, ...context } = launch;
      params.set('launch', await this.#parts.authorization.prepareLaunch(user, { clientId, ...context }));
    }
    return params;
  }

  async #standIn(clientId: string, redirectUri: string, scope: string): Promise<string> {
    const { publicUrl, authorization } = this.#parts;
    const { clients } = authorization;
    const id = standInOf(clientId);
    const known = await clients.get(id);
    const real = await clients.get(clientId);
    const metadata = {
      client_name: `${(real?.name ?? clientId).slice(0, 80)} (not checked)`,
      description: 'A simulated launch: client checks are off, and whoever asks as this app is let in.',
      launch_url: `${publicUrl}/`,
      redirect_uris: distinct([...(known?.redirectUris ?? []), redirectUri]).slice(-MOST_REDIRECTS),
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      launch_kinds: ['ehr', 'standalone'],
      scope: distinct(`${known?.scope ?? ''} ${scope}`.split(/\s+/))
        .join(' ')
        .slice(0, LONGEST_SCOPE),
      legacy: true,
    };
    if (!known) await this.#add(metadata, id);
    else if (
      !known.redirectUris.includes(redirectUri) ||
      scope.split(/\s+/).some((one) => !known.scope.split(' ').includes(one))
    ) {
      await clients.patch(id, metadata);
    }
    return id;
  }

  async #add(metadata: Record<string, unknown>, id: string, secret?: string): Promise<void> {
    const { clients } = this.#parts.authorization;
    const decided = { id, status: 'active', trusted: false, simulated: true, ...(secret && { secret }) } as const;
    try {
      await clients.add(metadata, decided);
    } catch (error) {
      // The same launch in two windows: one of them is first.
      if (!(await clients.get(id))) throw error;
    }
    await this.#forgetOldest();
  }

  async #forgetOldest(): Promise<void> {
    const { clients } = this.#parts.authorization;
    const made = await Array.fromAsync(simulatedClients(clients));
    const oldest = made.sort((a, b) => a.registeredAt - b.registeredAt).slice(0, Math.max(0, made.length - MOST));
    for (const { id } of oldest) await clients.delete(id);
  }
}

/** @throws OAuthError for what is neither a key set nor the address of one */
function keysOf(text: string): { readonly jwks: unknown } | { readonly jwks_uri: string } {
  if (/^https?:\/\//.test(text.trim())) return { jwks_uri: text.trim() };
  try {
    return { jwks: JSON.parse(text) as unknown };
  } catch {
    throw new OAuthError('invalid_client_metadata', 'jwks: neither JSON nor an address');
  }
}

function distinct(texts: readonly string[]): readonly string[] {
  return [...new Set(texts.filter(Boolean))];
}

/** A request of the token endpoint as the stand-in would make it: however the app proved itself, it is not checked. */
export function asStandIn(form: URLSearchParams, authorization: string | undefined): URLSearchParams {
  const sent = new URLSearchParams(form);
  for (const name of ['client_secret', 'client_assertion', 'client_assertion_type']) sent.delete(name);
  const clientId = form.get('client_id') ?? assertedId(form.get('client_assertion')) ?? basicId(authorization);
  if (clientId !== undefined && clientId !== null) sent.set('client_id', standInOf(clientId));
  return sent;
}
