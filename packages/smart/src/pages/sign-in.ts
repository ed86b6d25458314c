import { type Html, html } from '../html.ts';
import type { UserProfile } from '../users.ts';
import { csrfField, type PageSetting, page, problem } from './layout.ts';
import type { Said, Words } from './page-language.ts';
import { passkeyForm } from './passkey.ts';

/** How people may sign in here. */
export interface SignInPageWays {
  readonly samples: readonly UserProfile[];
  readonly passwords: boolean;
  /** The name of the outside provider. */
  readonly outside?: string;
}

export interface SignInView extends PageSetting {
  /** Where the form goes. */
  readonly action: string;
  /** Where it goes for the outside provider. */
  readonly outsideAction: string;
  readonly csrf: string;
  /** The name of the app that asks, when one does. */
  readonly app?: string | undefined;
  readonly ways: SignInPageWays;
  readonly workstation?: string | undefined;
  readonly problem?: Said | undefined;
  /** Whether a code of the authenticator app is asked for too. */
  readonly needsCode?: boolean | undefined;
  /** What a passkey is asked for with, where one opens. */
  readonly passkey?: object | undefined;
  readonly name?: string | undefined;
}

function passwordFields(view: SignInView, words: Words): Html {
  const code = view.needsCode
    ? 'Code of your authenticator app, or a recovery code'
    : 'Recovery code, if your passkey is lost';
  return html`<label for="user">${words('User name')}</label>
<input type="text" id="user" name="user" value="${view.name ?? ''}" autocomplete="username" autocapitalize="none" spellcheck="false">
<label for="password">${words('Password')}</label>
<input type="password" id="password" name="password" autocomplete="current-password">
${
  (view.needsCode || view.passkey) &&
  html`<label for="code">${words(code)}</label>
<input type="text" id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="40">`
}`;
}

export function signInPage(view: SignInView): string {
  const { samples, passwords, outside } = view.ways;
  const { words } = view.language;
  return page(
    view,
    words('Sign in'),
    html`<h1>${words('Sign in')}</h1>
${view.app ? html`<p>${words('to continue to')} <strong>${view.app}</strong></p>` : undefined}
${problem(view.problem, view.language)}
${
  view.passkey &&
  passkeyForm({
    action: view.action,
    csrf: view.csrf,
    act: 'get',
    options: view.passkey,
    fields: html`<input type="hidden" name="user" value="${view.name ?? ''}">
<input type="hidden" name="workstation" value="${view.workstation ?? ''}">`,
    button: words('Use a passkey'),
    words,
  })
}
<form method="post" action="${passwords ? view.action : view.outsideAction}">
${csrfField(view.csrf)}
${passwords && passwordFields(view, words)}
<label for="workstation">${words('Workstation')} <span class="quiet">${words('(optional)')}</span></label>
<input type="text" id="workstation" name="workstation" value="${view.workstation ?? ''}" autocomplete="off">
<div class="actions">${passwords && html`<button class="main" type="submit">${words('Sign in')}</button>`}${
      outside !== undefined &&
      html`<button class="${passwords ? 'other' : 'main'}" type="submit" formaction="${view.outsideAction}">${words('Sign in with {}', outside)}</button>`
    }</div>
</form>
${
  samples.length === 0
    ? undefined
    : html`<form method="post" action="${view.action}" aria-labelledby="samples">
${csrfField(view.csrf)}
<h2 id="samples">${words('Sample users')}</h2>
<p class="quiet">${words('Invented people, for trying Lockstep out on this machine.')}</p>
${samples.map(
  (user) =>
    html`<button class="row" type="submit" name="sample" value="${user.id}">${user.name}${
      user.administrator ? html` <span class="quiet">&ndash; ${words('may administer')}</span>` : undefined
    }</button>`,
)}
</form>`
}`,
  );
}
