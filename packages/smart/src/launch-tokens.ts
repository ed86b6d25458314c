import type { Scope, Scopes } from '@lockstep/fhircast';
import type { Access } from './access.ts';
import type { Client } from './client.ts';
import { grantableScopes } from './scope-policy.ts';
import { digest } from './secrets.ts';
import type { UserProfile } from './users.ts';

/** Life of a token that comes with a launch without OAuth, s: a working day, as a sign-in has, since it cannot be refreshed. */
const LAUNCH_TOKEN_LIFE = 12 * 3600;

/** No page is shown: what needs a patient picker, an id token or a refresh is not given. */
function fitsTicket(scope: Scope): boolean {
  return scope.kind === 'fhircast' || scope.kind === 'session' || (scope.kind === 'fhir' && scope.context === 'user');
}

/** Tokens for apps that are launched without OAuth (LAU-1): somebody with the right to launch has already said yes. */
export class LaunchTokens {
  readonly #access: Access;
  readonly #life: number;

  /** @param life of the tokens, s */
  constructor(access: Access, life = LAUNCH_TOKEN_LIFE) {
    this.#access = access;
    this.#life = life;
  }

  /**
   * The scopes that such a launch brings: of those asked for, what the registration approves.
   * @param asked without it, the client's FHIRcast scopes
   * @param limit what the launching caller has itself: it cannot hand on more
   * @returns '' when nothing is left
   */
  scope(client: Client, asked?: string, limit?: Scopes): string {
    const wanted = asked ?? client.scope;
    return grantableScopes(wanted, client.scope, 'user')
      .filter((scope) => (asked === undefined ? scope.kind === 'fhircast' : fitsTicket(scope)))
      .filter((scope) => limit?.covers(scope) ?? true)
      .map(({ text }) => text)
      .join(' ');
  }

  /** @returns the token, the id by which it is revoked, and when it ends (ms since the epoch) */
  async issue(
    client: Client,
    user: UserProfile,
    given: { readonly scope: string; readonly topic: string },
  ): Promise<{ readonly token: string; readonly tokenId: string; readonly expiresAt: number }> {
    // It belongs to no browser's sign-in, and so ends with none.
    const person = { signInId: 'launch without sign-in', user };
    const issued = await this.#access.issueUserToken(client, person, {
      scope: given.scope,
      topics: [given.topic],
      life: this.#life,
    });
    return { ...issued, tokenId: digest(issued.token) };
  }
}
