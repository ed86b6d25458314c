import { Scopes } from '@lockstep/fhircast';
import type { BearerTokens, GrantContext } from './access.ts';
import type { AuthorizationAddresses } from './addresses.ts';
import type { Client } from './client.ts';
import type { Launch } from './launches.ts';
import type { Clock, OpenSession, SessionDirectory } from './ports.ts';
import type { SmartProvider } from './provider.ts';
import { randomToken } from './secrets.ts';
import type { SignedIn } from './sign-ins.ts';

/** What the person has picked so far in one flow. */
export interface GrantProgress {
  readonly patient?: string;
  /** An encounter's id, or `none`. */
  readonly encounter?: string;
  readonly topics?: readonly string[];
}

/** What a grant is made of: who, for which app, with what launched or picked. */
export interface GrantChoice {
  readonly client: Client;
  readonly signedIn: SignedIn;
  readonly launch?: Launch | undefined;
  readonly progress: GrantProgress;
  readonly patient?: string | undefined;
  /** The person's open sessions, when one of them is to be followed. */
  readonly sessions: readonly OpenSession[];
}

interface Parts {
  readonly clock: Clock;
  readonly addresses: AuthorizationAddresses;
  readonly access: BearerTokens;
  readonly sessions: SessionDirectory;
  readonly provider: SmartProvider;
}

/** Whether the scopes need a patient (AUT-4). */
export function wantsPatient(scopes: Scopes): boolean {
  return scopes.list.some(
    (scope) =>
      (scope.kind === 'launch' && scope.need === 'patient') || (scope.kind === 'fhir' && scope.context === 'patient'),
  );
}

/** Turns a person's consent into a grant with its launch context. */
export class Granting {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * @param asked the scopes of the request
   * @param granted those of them that the person left on
   * @returns the grant's id
   */
  async grant(choice: GrantChoice, asked: readonly string[], granted: readonly string[]): Promise<string> {
    const { access, addresses } = this.#parts;
    const context = await this.#contextOf(choice, new Scopes(granted.join(' ')));
    const provider = await this.#parts.provider.provider();
    const grant = new provider.Grant({ accountId: choice.signedIn.user.id, clientId: choice.client.id });
    const rejected = asked.filter((scope) => !granted.includes(scope));
    grant.addOIDCScope(granted.join(' '));
    grant.addResourceScope(addresses.fhir, granted.join(' '));
    // What was declined must be said to be rejected, else the provider asks for it again and again.
    if (rejected.length > 0) {
      grant.addResourceScope(addresses.fhir, rejected.join(' '));
      grant.rejectResourceScope(addresses.fhir, rejected.join(' '));
      grant.rejectOIDCScope(rejected.join(' '));
    }
    grant.jti = randomToken();
    access.contexts.set(grant.jti, context);
    try {
      return await grant.save();
    } finally {
      access.contexts.delete(grant.jti);
    }
  }

  async #contextOf(choice: GrantChoice, granted: Scopes): Promise<GrantContext> {
    const { launch, signedIn, progress, patient } = choice;
    const encounter = launch?.encounter ?? (progress.encounter === 'none' ? undefined : progress.encounter);
    // Launch context goes to who may know it: an EHR launch's with `launch`, a picked one with what asked for it.
    const told = granted.has('launch') || wantsPatient(granted) || granted.has('launch/encounter');
    return {
      user: signedIn.user.id,
      reference: signedIn.user.reference,
      signIn: signedIn.signInId,
      offline: granted.has('offline_access'),
      fhirContext: launch?.study && granted.has('launch') ? [`ImagingStudy/${launch.study}`] : [],
      topics: granted.hasFhircast ? await this.#topicsOf(choice) : [],
      needPatientBanner: launch?.needPatientBanner ?? true,
      grantedAt: this.#parts.clock.now(),
      ...(patient && told ? { patient } : {}),
      ...(encounter && (granted.has('launch') || granted.has('launch/encounter')) ? { encounter } : {}),
      ...(launch?.intent ? { intent: launch.intent } : {}),
      ...(launch?.tenant ? { tenant: launch.tenant } : {}),
    };
  }

  async #topicsOf({ launch, progress, sessions, signedIn }: GrantChoice): Promise<readonly string[]> {
    if (launch?.topic) return [launch.topic];
    if (progress.topics) return progress.topics;
    const [only] = sessions;
    if (only) return [only.topic];
    const { user, workstation } = signedIn;
    const { topic } = await this.#parts.sessions.open({
      user: user.reference,
      aliases: [user.id, ...user.aliases],
      ...(workstation ? { workstation } : {}),
    });
    return [topic];
  }
}
