import { toPlainText } from '@lockstep/fhircast';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Browser, PageError } from './browser.ts';
import { secondFactorPage } from './pages/second-factor.ts';
import type { Passkeys } from './passkeys.ts';
import type { PasswordDoor } from './password-door.ts';
import type { AuditEntry } from './ports.ts';
import type { SecondFactors } from './second-factors.ts';
import type { SignedIn, SignIns } from './sign-ins.ts';

interface Parts {
  /** What the paths of our pages begin with. */
  readonly base: string;
  readonly browser: Browser;
  readonly signIns: SignIns;
  readonly door: PasswordDoor;
  readonly secondFactors: SecondFactors;
  readonly passkeys: Passkeys;
  readonly audit: (entry: AuditEntry) => void;
}

const PATH = '/auth/second-factor';

/** What a person calls a passkey, without what cannot be seen. */
function nameOf(given: string): string {
  return toPlainText(given).trim().slice(0, 60) || 'Passkey';
}

/** Where people who sign in with a password set up second factors, or end them. Both need the password once more. */
export function secondFactorRoutes(app: FastifyInstance, parts: Parts): void {
  const { base, browser, signIns, door, secondFactors, passkeys, audit } = parts;

  /** @throws PageError for people who have no password here */
  async function personOf(request: FastifyRequest): Promise<SignedIn | undefined> {
    const signedIn = await signIns.signedIn(request);
    if (signedIn?.user.outside || signedIn?.user.sample) {
      throw new PageError('access_denied', 'A second factor is for people who sign in here with a password.', 403);
    }
    return signedIn;
  }

  async function show(
    reply: FastifyReply,
    { user, csrf }: SignedIn,
    view: Partial<Parameters<typeof secondFactorPage>[0]> & { readonly status?: number } = {},
  ): Promise<FastifyReply> {
    const page = secondFactorPage({
      base,
      user: user.name,
      csrf,
      active: await secondFactors.has(user.id),
      passkeys: await passkeys.of(user.id),
      passkeysAvailable: passkeys.available,
      ...view,
    });
    return browser.send(reply, view.status ?? 200, page);
  }

  const signInFirst = (reply: FastifyReply) =>
    reply.redirect(`/auth/sign-in?${new URLSearchParams({ return: PATH })}`, 303);

  app.get(PATH, async (request, reply) => {
    const signedIn = await personOf(request);
    return signedIn ? show(reply, signedIn) : signInFirst(reply);
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
      if ('problem' in outcome) return show(reply, signedIn, { ...outcome, confirming: true });
      return done('second-factor.add');
    }
    const name = nameOf(form.get('name') ?? '');
    if (step === 'keep-passkey') {
      const outcome = await door.addPasskey(request, reply, user, name, form.get('passkey') ?? '');
      return 'problem' in outcome ? show(reply, signedIn, outcome) : done('passkey.add', name);
    }
    const outcome = await door.confirm(request, reply, user, form.get('password') ?? '');
    if ('problem' in outcome) return show(reply, signedIn, outcome);
    switch (step) {
      case 'remove':
        await secondFactors.remove(user.id);
        return done('second-factor.remove');
      case 'add-passkey': {
        const options = await passkeys.creation(user);
        if (options) return show(reply, signedIn, { creation: { options, name } });
        return show(reply, signedIn, { problem: 'No more passkeys can be added here.', status: 409 });
      }
      case 'remove-passkey': {
        const [removed] = await passkeys.remove(user.id, form.get('id') ?? '');
        return removed === undefined ? reply.redirect(PATH, 303) : done('passkey.remove', removed);
      }
      default:
        return show(reply, signedIn, { enrolment: await secondFactors.enroll(user.id) });
    }
  });
}
