import type { RecordStore } from '@lockstep/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuthorizationAddresses } from '../addresses.ts';
import { type Said, said } from '../pages/page-language.ts';
import type { Sentence } from '../pages/sentences.ts';
import type { AuditEntry, Clock, Logger } from '../ports.ts';
import type { UserProfile, Users } from '../users.ts';
import { readPerson } from './claims.ts';
import { CALLBACK, newChecks, OutsideFlows, type Returned } from './flows.ts';
import type { OutsideOptions } from './options.ts';
import { NotLetIn, OutsidePeople } from './people.ts';
import { OutsideError, OutsideProvider } from './provider.ts';

/** Where the provider sends a person who has signed out there. */
export const SIGNED_OUT = '/auth/signed-out';

/** Why there is no sign-in, in words for the person. */
export interface SignInProblem {
  readonly problem: Said;
  readonly status: number;
}

/** The way to the outside provider and back (REG-4). */
export class OutsideDesk {
  readonly #provider: OutsideProvider;
  readonly #flows: OutsideFlows;
  readonly #people: OutsidePeople;
  readonly #logger: Logger;
  readonly #audit: (entry: AuditEntry) => void;
  readonly #signedOut: string;

  /** @param parts `signedOut` is where the provider sends a person who has signed out there */
  constructor(parts: {
    readonly provider: OutsideProvider;
    readonly flows: OutsideFlows;
    readonly people: OutsidePeople;
    readonly logger: Logger;
    readonly audit: (entry: AuditEntry) => void;
    readonly signedOut: string;
  }) {
    this.#provider = parts.provider;
    this.#flows = parts.flows;
    this.#people = parts.people;
    this.#logger = parts.logger;
    this.#audit = parts.audit;
    this.#signedOut = parts.signedOut;
  }

  get name(): string {
    return this.#provider.options.name;
  }

  get passwords(): boolean {
    return this.#provider.options.passwords;
  }

  /**
   * Binds a sign-in to the browser and returns where to send it.
   * @param given `next` is a path of ours; `again`: whether the person must show at the provider who they are
   */
  async begin(
    reply: FastifyReply,
    given: { readonly next: string; readonly workstation?: string | undefined; readonly again?: boolean },
  ): Promise<{ readonly address: string } | SignInProblem> {
    try {
      const checks = newChecks();
      const address = await this.#provider.authorizationUrl(checks, given.again ?? false);
      await this.#flows.begin(reply, checks, given.next, given.workstation);
      return { address };
    } catch (error) {
      return this.#problem(error);
    }
  }

  /** Who has come back from the provider. @throws PageError when this browser was not sent there, or came back before */
  async end(
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<{ readonly returned: Returned; readonly outcome: { readonly user: UserProfile } | SignInProblem }> {
    const query = new URLSearchParams(request.url.slice(request.url.indexOf('?') + 1 || request.url.length));
    const returned = await this.#flows.end(request, reply, query.get('state'));
    try {
      const claims = await this.#provider.redeem(query, returned.checks);
      const person = readPerson(claims, this.#provider.options);
      if ('missing' in person) throw new OutsideError('invalid', `the claim ${person.missing} is missing or unusable`);
      return { returned, outcome: { user: await this.#people.userOf(person) } };
    } catch (error) {
      return { returned, outcome: this.#problem(error) };
    }
  }

  /** Where a person signs out of the provider too. */
  endSessionUrl(): Promise<string | undefined> {
    return this.#provider.endSessionUrl(this.#signedOut);
  }

  #problem(error: unknown): SignInProblem {
    const { name } = this;
    if (error instanceof NotLetIn) {
      this.#audit({ action: 'sign-in.refuse', detail: `outside: ${error.message}` });
      return { problem: error.problem, status: 403 };
    }
    if (!(error instanceof OutsideError)) throw error;
    this.#audit({ action: 'sign-in.refuse', detail: `outside: ${error.kind} ${error.code ?? ''}`.trim() });
    if (error.kind === 'refused') return { problem: refusal(name, error), status: 403 };
    this.#logger.warn({ reason: error.message, code: error.code }, 'the outside provider did not sign somebody in');
    if (error.kind === 'invalid') {
      const untrusted = 'The answer of {} cannot be trusted, so you were not signed in. Tell an administrator.';
      return { problem: said(untrusted, name), status: 502 };
    }
    const away: Sentence = this.passwords
      ? '{} cannot be reached now. Try again later, or sign in with a password.'
      : '{} cannot be reached now. Try again later.';
    return { problem: said(away, name), status: 503 };
  }
}

/** Sign-in at the provider that the options describe. */
export function openOutside(
  options: OutsideOptions,
  parts: {
    readonly records: RecordStore;
    readonly clock: Clock;
    readonly addresses: AuthorizationAddresses;
    readonly users: Users;
    readonly logger: Logger;
    readonly audit: (entry: AuditEntry) => void;
  },
): OutsideDesk {
  const { records, clock, addresses, users, logger, audit } = parts;
  return new OutsideDesk({
    provider: new OutsideProvider(options, `${addresses.publicUrl}${CALLBACK}`, clock),
    flows: new OutsideFlows(records, clock, addresses.secure),
    people: new OutsidePeople(users, options, audit),
    signedOut: `${addresses.publicUrl}${SIGNED_OUT}`,
    logger,
    audit,
  });
}

/** The error codes of RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6, in plain words. */
const WORDS: ReadonlyMap<string, Sentence> = new Map([
  ['access_denied', '{} did not let you in, or you stopped the sign-in there.'],
  ['login_required', '{} wants you to sign in there first.'],
  ['interaction_required', '{} wants something of you that it could not ask for.'],
  ['account_selection_required', '{} wants you to choose an account there first.'],
  ['consent_required', '{} wants your consent first.'],
  ['temporarily_unavailable', '{} is not available now. Try again later.'],
  ['server_error', '{} has a problem of its own. Try again later.'],
]);

function refusal(name: string, { code = '', description }: OutsideError): Said {
  const known = WORDS.get(code);
  const problem = known
    ? said(known, name)
    : said('{} refused the request ({}). Tell an administrator.', name, code.slice(0, 60));
  return { ...problem, detail: description?.slice(0, 200) };
}
