import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Browser, PageError } from './browser.ts';
import { secondFactorPage } from './pages/second-factor.ts';
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
  readonly audit: (entry: AuditEntry) => void;
}

const PATH = '/auth/second-factor';

/** Where people who sign in with a password set up a second factor, or end it. Both need the password once more. */
export function secondFactorRoutes(app: FastifyInstance, parts: Parts): void {
  const { base, browser, signIns, door, secondFactors, audit } = parts;

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
    const active = await secondFactors.has(user.id);
    return browser.send(reply, view.status ?? 200, secondFactorPage({ base, user: user.name, csrf, active, ...view }));
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
    if (form.get('step') === 'confirm') {
      const outcome = await door.confirmCode(request, reply, user, form.get('code') ?? '');
      if ('problem' in outcome) return show(reply, signedIn, { ...outcome, confirming: true });
      audit({ action: 'second-factor.add', user: user.id });
      return reply.redirect(PATH, 303);
    }
    const outcome = await door.confirm(request, reply, user, form.get('password') ?? '');
    if ('problem' in outcome) return show(reply, signedIn, outcome);
    if (form.get('step') !== 'remove') return show(reply, signedIn, { enrolment: await secondFactors.enroll(user.id) });
    await secondFactors.remove(user.id);
    audit({ action: 'second-factor.remove', user: user.id });
    return reply.redirect(PATH, 303);
  });
}
