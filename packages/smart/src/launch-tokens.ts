import type { Scope, Scopes } from '@lockstep/fhircast';
import type { BearerTokens, LaunchedBy } from './access.ts';
import { type Client, isPublic } from './client.ts';
import type { Clock } from './ports.ts';
import { type CanEverOpen, grantableScopes, withoutUseless } from './scope-policy.ts';
import type { SignIns } from './sign-ins.ts';
import type { TokenInfo } from './token-info.ts';
import type { UserProfile } from './users.ts';

/** Life of a token that comes with a launch without OAuth, s: a working day, as a sign-in has, since it cannot be refreshed. */
const LAUNCH_TOKEN_LIFE = 12 * 3600;

/**
 * What a launch without OAuth depends on (LAU-1): the end of any of these ends what was launched. An administrator's
 * command depends on none.
 */
export interface LaunchBinding {
  /** The sign-in of the person who launched. */
  readonly signIn?: string;
  /** The access of the application that launched. */
  readonly by?: LaunchedBy;
}

/** No page is shown: what needs a patient picker, an id token or a refresh is not given. */
function fitsTicket(scope: Scope): boolean {
  return scope.kind === 'fhircast' || scope.kind === 'session' || (scope.kind === 'fhir' && scope.context === 'user');
}

/** Tokens for apps that are launched without OAuth (LAU-1): somebody with the right to launch has already said yes. */
export class LaunchTokens {
  readonly #access: BearerTokens;
  readonly #signIns: SignIns;
  readonly #clock: Clock;
  readonly #life: number;
  readonly #canEverOpen: CanEverOpen;

  /** @param parts `life` of the tokens, s */
  constructor(parts: {
    readonly access: BearerTokens;
    readonly signIns: SignIns;
    readonly clock: Clock;
    readonly canEverOpen: CanEverOpen;
    readonly life?: number | undefined;
  }) {
    this.#access = parts.access;
    this.#signIns = parts.signIns;
    this.#clock = parts.clock;
    this.#canEverOpen = parts.canEverOpen;
    this.#life = parts.life ?? LAUNCH_TOKEN_LIFE;
  }

  /**
   * Whether an app can be launched so: one with a key or a secret, or whose tokens are bound to a key, gets its tokens with
   * that (LAU-1).
   */
  fits(client: Client): boolean {
    return isPublic(client) && !client.dpopBound;
  }

  /**
   * The scopes that such a launch brings: of those asked for, what the registration approves.
   * @param asked without it, the client's FHIRcast scopes
   * @param limit what the launching caller has itself: it cannot hand on more
   * @returns '' when nothing is left
   */
  scope(client: Client, asked?: string, limit?: Scopes): string {
    const wanted = withoutUseless(asked ?? client.scope, this.#canEverOpen);
    return grantableScopes(wanted, client.scope, 'user')
      .filter((scope) => (asked === undefined ? scope.kind === 'fhircast' : fitsTicket(scope)))
      .filter((scope) => limit?.covers(scope) ?? true)
      .map(({ text }) => text)
      .join(' ');
  }

  /** What a launch by the bearer of this token depends on. @returns undefined when that access has ended */
  async bindingOf(caller: TokenInfo): Promise<LaunchBinding | undefined> {
    const { clientId, grantId, tokenId } = caller;
    if (caller.user === undefined) return { by: { client: clientId, token: tokenId } };
    const context = (await this.#access.grants.get(grantId))?.context;
    if (!context) return undefined;
    const by = { client: clientId, grant: grantId };
    return (await this.#signIns.isAlive(context.signIn)) ? { signIn: context.signIn, by } : { by };
  }

  /** ms since the epoch until which everything that the launch depends on lasts by itself; undefined when some of it has ended. */
  async #aliveUntil({ signIn, by }: LaunchBinding): Promise<number | undefined> {
    const ends = await Promise.all([
      signIn === undefined ? Number.POSITIVE_INFINITY : this.#signIns.endOf(signIn),
      by === undefined ? Number.POSITIVE_INFINITY : this.#access.endOfLauncher(by),
    ]);
    return ends.includes(undefined) ? undefined : Math.min(...(ends as number[]));
  }

  /**
   * Opens the grant of a launch: whatever ends the access of the app, of its user or of what launched it ends the grant, also
   * before the app has taken its token.
   * @param given.until ms since the epoch, until when the token may be taken
   * @returns the grant's id
   */
  open(
    client: Client,
    user: UserProfile,
    given: { readonly topic: string; readonly binding: LaunchBinding; readonly until: number },
  ): Promise<string> {
    const { signIn, by } = given.binding;
    const person = { signInId: signIn ?? 'launch without sign-in', user };
    return this.#access.openGrant(client, person, {
      topics: [given.topic],
      expiresAt: given.until,
      launched: by ?? {},
    });
  }

  /**
   * The token of an opened grant. It ends with the binding, at the latest when the sign-in or the grant of what launched it
   * would have run out.
   * @returns the token, and when it ends (ms since the epoch); undefined when something that the launch depends on has ended
   */
  async issue(
    client: Client,
    given: { readonly grantId: string; readonly scope: string; readonly binding: LaunchBinding },
  ): Promise<{ readonly token: string; readonly expiresAt: number } | undefined> {
    const { grantId, scope, binding } = given;
    const until = await this.#aliveUntil(binding);
    const life = Math.min(this.#life, Math.floor(((until ?? 0) - this.#clock.now()) / 1000));
    const issued = life > 0 ? await this.#access.issueOpened(client, grantId, { scope, life }) : undefined;
    // What ended while the token was written has not found it.
    if (issued && (await this.#aliveUntil(binding)) !== undefined) return issued;
    await this.end(grantId, 'what launched the app has ended');
    return undefined;
  }

  /** Ends a launch, whether its token was taken or not. */
  end(grantId: string, reason: string): Promise<void> {
    return this.#access.endGrant(grantId, reason);
  }
}
