import { html } from '../html.ts';
import { csrfField, page } from './layout.ts';
import { type PageLanguage, wordsIn } from './words.ts';

export interface GrantView {
  readonly id: string;
  readonly app: string;
  /** ms since the epoch. */
  readonly grantedAt: number;
  readonly offline: boolean;
  readonly words: readonly string[];
}

/** What the person has allowed, and a way to take it back. */
export function managePage(view: {
  readonly base: string;
  readonly user: string;
  readonly csrf: string;
  readonly grants: readonly GrantView[];
}): string {
  return page(
    view.base,
    'Your applications',
    html`<h1>Applications with access</h1>
<p class="quiet">You are ${view.user}.</p>
${view.grants.length === 0 ? html`<p>No application has access in your name.</p>` : undefined}
${view.grants.map(
  (grant) => html`<section>
<h2>${grant.app}</h2>
<p class="quiet">since ${new Date(grant.grantedAt).toISOString().slice(0, 16).replace('T', ' ')} UTC${
    grant.offline ? ', also while you are signed out' : ''
  }</p>
<ul>${grant.words.map((words) => html`<li>${words}</li>`)}</ul>
<form method="post" action="${view.base}/auth/manage">${csrfField(view.csrf)}
<button type="submit" name="grant" value="${grant.id}" aria-label="Take back access: ${grant.app}">Take back access</button></form>
</section>`,
)}
<p><a href="${view.base}/auth/second-factor">Second factor for signing in</a></p>
<form method="post" action="${view.base}/auth/sign-out">${csrfField(view.csrf)}
<div class="actions"><button type="submit">Sign out</button></div></form>`,
  );
}

export function signedOutPage(base: string, language: PageLanguage): string {
  const words = wordsIn(language);
  const again = html`<p><a href="${base}/auth/sign-in">${words('Sign in again')}</a></p>`;
  return page(base, words('Signed out'), html`<h1>${words('You are signed out')}</h1>${again}`, language);
}
