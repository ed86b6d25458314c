import { toPlainText } from '@lockstep/fhircast';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Browser, PageError } from './browser.ts';
import { said } from './pages/page-language.ts';
import { secondFactorPage } from './pages/second-factor.ts';
import type { Passkeys } from './passkeys.ts';
import type { PasswordDoor } from './password-door.ts';
import type { AuditEntry } from './ports.ts';
import type { RecoveryCodes } from './recovery-codes.ts';
import type { SecondFactors } from './second-factors.ts';
import type { SignedIn, SignIns } from './sign-ins.ts';

interface Parts {
  readonly browser: Browser;
  readonly signIns: SignIns;
  readonly door: PasswordDoor;
  readonly secondFactors: SecondFactors;
  readonly passkeys: Passkeys;
  readonly recoveryCodes: RecoveryCodes;
  readonly audit: (entry: AuditEntry) => void;
}

const PATH = '/auth/second-factor';

/** What a person calls a passkey, without what cannot be seen. */
function nameOf(given: string): string {
  return toPlainText(given).trim().slice(0, 60) || 'Passkey';
}

/**
 * Where people who sign in with a password set up second factors, or end them. Both need the password once more; calling a passkey
 * otherwise does not.
 */
export function secondFactorRoutes(app: FastifyInstance, parts: Parts): void {
  const { browser, signIns, door, secondFactors, passkeys, recoveryCodes, audit } = parts;

  /** @throws PageError for people who have no password here */
  async function personOf(request: FastifyRequest): Promise<SignedIn | undefined> {
    const signedIn = await signIns.signedIn(request);
    if (signedIn?.user.outside || signedIn?.user.sample) {
      throw new PageError('access_denied', 'A second factor is for people who sign in here with a password.', 403);
    }
    return signedIn;
  }

  async function show(
    request: FastifyRequest,
    reply: FastifyReply,
    { user, csrf }: SignedIn,
    view: Partial<Parameters<typeof secondFactorPage>[0]> & { readonly status?: number } = {},
  ): Promise<FastifyReply> {
    const page = secondFactorPage({
      ...browser.setting(request),
      user: user.name,
      csrf,
      active: await secondFactors.has(user.id),
      passkeys: await passkeys.of(user.id),
      passkeysAvailable: passkeys.available,
      codesLeft: await recoveryCodes.left(user.id),
      ...view,
    });
    return browser.send(reply, view.status ?? 200, page);
  }

  const hasFactor = async (user: string): Promise<boolean> =>
    (await secondFactors.has(user)) || (await passkeys.has(user));

  /** Without a second factor there is nothing that codes stand for: those of before must not open for a later one. */
  async function endCodes(user: string): Promise<void> {
    if (!(await hasFactor(user)) && (await recoveryCodes.remove(user)))
      audit({ action: 'recovery-codes.remove', user });
  }

  const signInFirst = (reply: FastifyReply) =>
    reply.redirect(`/auth/sign-in?${new URLSearchParams({ return: PATH })}`, 303);

  app.get(PATH, async (request, reply) => {
    const signedIn = await personOf(request);
    return signedIn ? show(request, reply, signedIn) : signInFirst(reply);
  });

  app.post(PATH, async (request, reply) => {
    const signedIn = await personOf(request);
    const form = browser.form(request, signedIn);
    if (!signedIn) return signInFirst(reply);
    const { user } = signedIn;
    const step = form.get('step') ?? '';
    const done = (action: string, detail?: string) => {
      audit({ action, user: user.id, ...(detail !== undefined && { detail }) });
      return reply.redirect(PATH, 303);
    };
    if (step === 'confirm') {
      const outcome = await door.confirmCode(request, reply, user, form.get('code') ?? '');
      if ('problem' in outcome) return show(request, reply, signedIn, { ...outcome, confirming: true });
      return done('second-factor.add');
    }
    const name = nameOf(form.get('name') ?? '');
    if (step === 'keep-passkey') {
      const outcome = await door.addPasskey(request, reply, user, name, form.get('passkey') ?? '');
      return 'problem' in outcome ? show(request, reply, signedIn, outcome) : done('passkey.add', name);
    }
    if (step === 'rename-passkey') {
      const isRenamed = await passkeys.rename(user.id, form.get('id') ?? '', name);
      return isRenamed ? done('passkey.rename', name) : reply.redirect(PATH, 303);
    }
    const outcome = await door.confirm(request, reply, user, form.get('password') ?? '');
    if ('problem' in outcome) return show(request, reply, signedIn, outcome);
    switch (step) {
      case 'remove':
        if (await secondFactors.remove(user.id)) await endCodes(user.id);
        return done('second-factor.remove');
      case 'add-passkey': {
        const options = await passkeys.creation(user);
        if (options) return show(request, reply, signedIn, { creation: { options, name } });
        return show(request, reply, signedIn, { problem: said('No more passkeys can be added here.'), status: 409 });
      }
      case 'remove-passkey': {
        const [removed] = await passkeys.remove(user.id, form.get('id') ?? '');
        await endCodes(user.id);
        return removed === undefined ? reply.redirect(PATH, 303) : done('passkey.remove', removed);
      }
      case 'make-codes': {
        if (!(await hasFactor(user.id)))
          return show(request, reply, signedIn, { problem: said('Codes need a second factor first.'), status: 409 });
        const codes = await recoveryCodes.make(user.id);
        audit({ action: 'recovery-codes.make', user: user.id });
        return show(request, reply, signedIn, { codes });
      }
      default:
        audit({ action: 'second-factor.begin', user: user.id });
        return show(request, reply, signedIn, { enrolment: await secondFactors.enroll(user.id) });
    }
  });
}
