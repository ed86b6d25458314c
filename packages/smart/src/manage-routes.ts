import { Scopes } from '@lockstep/fhircast';
import type { FastifyInstance } from 'fastify';
import type { BearerTokens } from './access.ts';
import type { AuthorizationAddresses } from './addresses.ts';
import type { Browser } from './browser.ts';
import type { Clients } from './clients.ts';
import { STYLE } from './pages/layout.ts';
import { type GrantView, managePage } from './pages/manage.ts';
import type { PageLanguage } from './pages/page-language.ts';
import type { AuditEntry } from './ports.ts';
import { scopeWords } from './scope-words.ts';
import type { SignIns } from './sign-ins.ts';

interface Parts {
  readonly addresses: AuthorizationAddresses;
  readonly access: BearerTokens;
  readonly clients: Clients;
  readonly signIns: SignIns;
  readonly browser: Browser;
  readonly audit: (entry: AuditEntry) => void;
}

/** The style that apps may follow (`smart_style_url`), in SMART's names. */
const SMART_STYLE = {
  color_background: '#12161c',
  color_error: '#ffb4a8',
  color_highlight: '#7fb4ff',
  color_modal_backdrop: '#0b0e12',
  color_success: '#7ddba3',
  color_text: '#e8ecf1',
  dim_border_radius: '6px',
  dim_font_size: '16px',
  dim_spacing_size: '16px',
  font_family_body: 'system-ui, sans-serif',
  font_family_heading: 'system-ui, sans-serif',
};

/** Grants that the page looks at: taking some back shows others. */
const MOST_LISTED = 200;

/** The management endpoint (DIS-2): a person's view of who has access, and the pages' style sheets. */
export function manageRoutes(app: FastifyInstance, parts: Parts): void {
  const { addresses, access, clients, signIns, browser, audit } = parts;

  async function grantsOf(user: string, language: PageLanguage): Promise<readonly GrantView[]> {
    const views: GrantView[] = [];
    for (const { id, value } of await access.grants.findBy('user', user, { limit: MOST_LISTED })) {
      const client = await clients.get(String(value.payload.clientId));
      if (!client || !value.context) continue;
      const scope = String((value.payload.resources as Record<string, string> | undefined)?.[addresses.fhir] ?? '');
      const words = new Set(new Scopes(scope).list.map((one) => scopeWords(one, language)));
      views.push({
        id,
        app: client.name,
        grantedAt: value.context.grantedAt,
        offline: value.context.offline,
        words: [...words],
      });
    }
    return views.sort((a, b) => b.grantedAt - a.grantedAt);
  }

  app.get('/auth/manage', async (request, reply) => {
    const signedIn = await signIns.signedIn(request);
    if (!signedIn) return reply.redirect('/auth/sign-in?return=%2Fauth%2Fmanage', 303);
    const { user, csrf } = signedIn;
    const setting = browser.setting(request);
    const grants = await grantsOf(user.id, setting.language);
    return browser.send(reply, 200, managePage({ ...setting, user: user.name, csrf, grants }));
  });

  app.post('/auth/manage', async (request, reply) => {
    const signedIn = await signIns.signedIn(request);
    const form = browser.form(request, signedIn);
    const grantId = form.get('grant') ?? '';
    const context = (await access.grants.get(grantId))?.context;
    if (signedIn && context?.user === signedIn.user.id) {
      await access.endGrant(grantId, 'the user took back the access');
      audit({ action: 'grant.revoke', user: signedIn.user.id });
    }
    return reply.redirect('/auth/manage', 303);
  });

  /** The person chooses the language of the pages, and comes back to the one that was shown. */
  app.get('/auth/language', async (request, reply) => {
    const { to, return: next } = request.query as { readonly to?: unknown; readonly return?: unknown };
    browser.chooseLanguage(reply, to);
    return reply.header('cache-control', 'no-store').redirect(browser.ownPath(next), 303);
  });

  app.get('/auth/style.css', (_request, reply) =>
    reply.type('text/css; charset=utf-8').header('cache-control', 'public, max-age=3600').send(STYLE),
  );

  app.get('/auth/smart-style.json', (_request, reply) =>
    reply.header('access-control-allow-origin', '*').header('cache-control', 'public, max-age=3600').send(SMART_STYLE),
  );
}
