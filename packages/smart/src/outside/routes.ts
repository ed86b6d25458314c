import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Browser } from '../browser.ts';
import { signedOutPage } from '../pages/manage.ts';
import type { SignInDesk, SignInPages } from '../sign-in-routes.ts';
import { type SignIns, workstationOf } from '../sign-ins.ts';
import { type OutsideDesk, SIGNED_OUT } from './desk.ts';
import { CALLBACK } from './flows.ts';

interface Parts {
  readonly signIns: SignIns;
  readonly browser: Browser;
  readonly desk: SignInDesk;
  readonly outside: OutsideDesk;
  readonly pages: SignInPages;
}

/** Sign-in at the outside provider: there, back, and out again (REG-4). */
export function outsideRoutes(app: FastifyInstance, { signIns, browser, desk, outside, pages }: Parts): void {
  type Started = Awaited<ReturnType<OutsideDesk['begin']>>;
  const leave = (reply: FastifyReply, { address }: Extract<Started, { address: string }>) =>
    reply.header('cache-control', 'no-store').redirect(address, 303);

  /** For the console's link. Another site's page gets no further than our own page with the button. */
  app.get('/auth/outside', async (request, reply) => {
    const query = request.query as { return?: string; workstation?: string };
    const next = browser.ownPath(query.return);
    const site = request.headers['sec-fetch-site'] ?? 'none';
    if (!['none', 'same-origin'].includes(site)) {
      return reply.redirect(`/auth/sign-in?${new URLSearchParams({ return: next })}`, 303);
    }
    const started = await outside.begin(reply, { next, workstation: workstationOf(request, query.workstation) });
    return 'address' in started ? leave(reply, started) : pages.show(request, reply, { ...started, next });
  });

  app.post('/auth/outside', async (request, reply) => {
    const next = browser.ownPath((request.query as { return?: string }).return);
    const form = browser.form(request, await signIns.signedIn(request));
    const workstation = workstationOf(request, form.get('workstation') ?? undefined);
    const started = await outside.begin(reply, { next, workstation });
    return 'address' in started ? leave(reply, started) : pages.show(request, reply, { ...started, next });
  });

  app.get(CALLBACK, async (request, reply) => {
    const { returned, outcome } = await outside.end(request, reply);
    const { next, workstation } = returned;
    if ('problem' in outcome) return pages.show(request, reply, { ...outcome, next });
    await desk.begin(request, reply, outcome.user, workstation);
    return reply.header('cache-control', 'no-store').redirect(next, 303);
  });

  app.get(SIGNED_OUT, (request, reply) => browser.send(reply, 200, signedOutPage(browser.setting(request))));
}
