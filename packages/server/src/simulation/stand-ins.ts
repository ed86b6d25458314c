/** Clients that stand in for apps whose launches go unchecked: never on a server that others can reach. */

import { hash, randomBytes } from 'node:crypto';
import { type AuthorizationServer, OAuthError, type UserProfile } from '@lockstep/smart';
import { assertedId, basicId } from '../http/claimed-client.ts';

/** How long an unchecked launch may be redeemed, ms. */
const LAUNCH_LIFE = 5 * 60_000;
/** Stand-ins that are kept; the oldest go. */
const MOST = 50;
/** Redirect addresses and scopes of one stand-in; the oldest addresses go. */
const MOST_REDIRECTS = 20;
const LONGEST_SCOPE = 2000;

const PREFIX = 'unchecked-';

/** What an unchecked launch brings. */
export interface UncheckedLaunch {
  readonly user: UserProfile;
  readonly topic: string;
  readonly patient?: string;
  readonly encounter?: string;
  readonly imagingStudy?: string;
}

export interface StandInParts {
  readonly origin: string;
  readonly authorization: Pick<AuthorizationServer, 'clients' | 'launch'>;
  readonly now: () => number;
}

/** Whether the client stands in for an app, and is none itself. */
export function isStandIn(clientId: string): boolean {
  return clientId.startsWith(PREFIX);
}

/** The id of the client that stands in for whoever says to be `clientId`. */
export function standInOf(clientId: string): string {
  return `${PREFIX}${hash('sha256', clientId, 'base64url').slice(0, 22)}`;
}

export class StandIns {
  readonly #parts: StandInParts;
  readonly #launches = new Map<string, UncheckedLaunch & { readonly expiresAt: number }>();

  constructor(parts: StandInParts) {
    this.#parts = parts;
  }

  /** @returns the `launch` value for an app whose client is not known yet */
  remember(launch: UncheckedLaunch): string {
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
    const id = await this.#standIn(clientId, redirectUri, params.get('scope') ?? '');
    const admitted = new URLSearchParams(params);
    admitted.set('client_id', id);
    const launch = this.#launches.get(params.get('launch') ?? '');
    if (launch && launch.expiresAt > this.#parts.now()) {
      const { user, expiresAt: _, ...context } = launch;
      const made = await this.#parts.authorization.launch(user, { clientId: id, ...context });
      admitted.set('launch', made.launch);
    }
    return admitted;
  }

  async #standIn(clientId: string, redirectUri: string, scope: string): Promise<string> {
    const { origin, authorization } = this.#parts;
    const { clients } = authorization;
    const id = standInOf(clientId);
    const known = await clients.get(id);
    const redirects = [...new Set([...(known?.redirectUris ?? []), redirectUri])].slice(-MOST_REDIRECTS);
    const scopes = new Set(`${known?.scope ?? ''} ${scope}`.split(/\s+/).filter(Boolean));
    const asked = [...scopes].join(' ').slice(0, LONGEST_SCOPE);
    const real = await clients.get(clientId);
    const metadata = {
      client_name: `${(real?.name ?? clientId).slice(0, 80)} (not checked)`,
      description: 'A simulated launch: client checks are off, and whoever asks as this app is let in.',
      launch_url: `${origin}/`,
      redirect_uris: redirects,
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      launch_kinds: ['ehr', 'standalone'],
      scope: asked,
      legacy: true,
    };
    if (!known) {
      try {
        await clients.add(metadata, { id, status: 'active', trusted: false });
      } catch (error) {
        // The same launch in two windows: one of them is first.
        if (!(await clients.get(id))) throw error;
      }
      await this.#forgetOldest();
    } else if (
      !known.redirectUris.includes(redirectUri) ||
      scope.split(/\s+/).some((one) => !scopesOf(known).has(one))
    ) {
      await clients.patch(id, metadata);
    }
    return id;
  }

  async #forgetOldest(): Promise<void> {
    const { clients } = this.#parts.authorization;
    const { clients: page } = await clients.page({ after: PREFIX });
    const standIns = page.filter(({ id }) => isStandIn(id));
    const oldest = standIns
      .sort((a, b) => a.registeredAt - b.registeredAt)
      .slice(0, Math.max(0, standIns.length - MOST));
    for (const { id } of oldest) await clients.delete(id);
  }
}

function scopesOf({ scope }: { readonly scope: string }): ReadonlySet<string> {
  return new Set(scope.split(' '));
}

/** A request of the token endpoint as the stand-in would make it: however the app proved itself, it is not checked. */
export function asStandIn(form: URLSearchParams, authorization: string | undefined): URLSearchParams {
  const sent = new URLSearchParams(form);
  for (const name of ['client_secret', 'client_assertion', 'client_assertion_type']) sent.delete(name);
  const clientId = form.get('client_id') ?? assertedId(form.get('client_assertion')) ?? basicId(authorization);
  if (clientId !== undefined && clientId !== null) sent.set('client_id', standInOf(clientId));
  return sent;
}
