import { html } from '../html.ts';
import { csrfField, type PageSetting, page } from './layout.ts';

export interface GrantView {
  readonly id: string;
  readonly app: string;
  /** ms since the epoch. */
  readonly grantedAt: number;
  readonly offline: boolean;
  readonly words: readonly string[];
}

/** What the person has allowed, and a way to take it back. */
export function managePage(
  view: PageSetting & {
    readonly user: string;
    readonly csrf: string;
    readonly grants: readonly GrantView[];
  },
): string {
  const { language } = view;
  const { words } = language;
  return page(
    view,
    words('Your applications'),
    html`<h1>${words('Applications with access')}</h1>
<p class="quiet">${words('You are {}.', view.user)}</p>
${view.grants.length === 0 ? html`<p>${words('No application has access in your name.')}</p>` : undefined}
${view.grants.map(
  (grant) => html`<section>
<h2>${grant.app}</h2>
<p class="quiet">${words(grant.offline ? 'since {}, also while you are signed out' : 'since {}', language.moment(grant.grantedAt))}</p>
<ul>${grant.words.map((meaning) => html`<li>${meaning}</li>`)}</ul>
<form method="post" action="${view.base}/auth/manage">${csrfField(view.csrf)}
<button type="submit" name="grant" value="${grant.id}" aria-label="${words('Take back access: {}', grant.app)}">${words('Take back access')}</button></form>
</section>`,
)}
<p><a href="${view.base}/auth/second-factor">${words('Second factor for signing in')}</a></p>
<form method="post" action="${view.base}/auth/sign-out">${csrfField(view.csrf)}
<div class="actions"><button type="submit">${words('Sign out')}</button></div></form>`,
  );
}

export function signedOutPage(setting: PageSetting): string {
  const { words } = setting.language;
  const again = html`<p><a href="${setting.base}/auth/sign-in">${words('Sign in again')}</a></p>`;
  return page(setting, words('Signed out'), html`<h1>${words('You are signed out')}</h1>${again}`);
}
