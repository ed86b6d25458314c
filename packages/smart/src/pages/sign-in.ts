import { type Html, html } from '../html.ts';
import type { UserProfile } from '../users.ts';
import { csrfField, page, problem } from './layout.ts';
import { passkeyForm } from './passkey.ts';

/** How people may sign in here. */
export interface SignInPageWays {
  readonly samples: readonly UserProfile[];
  readonly passwords: boolean;
  /** The name of the outside provider. */
  readonly outside?: string;
}

export interface SignInView {
  readonly base: string;
  /** Where the form goes. */
  readonly action: string;
  /** Where it goes for the outside provider. */
  readonly outsideAction: string;
  readonly csrf: string;
  /** The name of the app that asks, when one does. */
  readonly app?: string | undefined;
  readonly ways: SignInPageWays;
  readonly workstation?: string | undefined;
  readonly problem?: string | undefined;
  /** Whether a code of the authenticator app is asked for too. */
  readonly needsCode?: boolean | undefined;
  /** What a passkey is asked for with, where one opens. */
  readonly passkey?: object | undefined;
  readonly name?: string | undefined;
}

function passwordFields(view: SignInView): Html {
  return html`<label for="user">User name</label>
<input type="text" id="user" name="user" value="${view.name ?? ''}" autocomplete="username" autocapitalize="none" spellcheck="false">
<label for="password">Password</label>
<input type="password" id="password" name="password" autocomplete="current-password">
${
  view.needsCode &&
  html`<label for="code">Code of your authenticator app</label>
<input type="text" id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="7">`
}`;
}

export function signInPage(view: SignInView): string {
  const { samples, passwords, outside } = view.ways;
  return page(
    view.base,
    'Sign in',
    html`<h1>Sign in</h1>
${view.app ? html`<p>to continue to <strong>${view.app}</strong></p>` : undefined}
${problem(view.problem)}
${
  view.passkey &&
  passkeyForm({
    action: view.action,
    csrf: view.csrf,
    act: 'get',
    options: view.passkey,
    fields: html`<input type="hidden" name="user" value="${view.name ?? ''}">
<input type="hidden" name="workstation" value="${view.workstation ?? ''}">`,
    button: 'Use a passkey',
  })
}
<form method="post" action="${passwords ? view.action : view.outsideAction}">
${csrfField(view.csrf)}
${passwords && passwordFields(view)}
<label for="workstation">Workstation <span class="quiet">(optional)</span></label>
<input type="text" id="workstation" name="workstation" value="${view.workstation ?? ''}" autocomplete="off">
<div class="actions">${passwords && html`<button class="main" type="submit">Sign in</button>`}${
      outside !== undefined &&
      html`<button class="${passwords ? 'other' : 'main'}" type="submit" formaction="${view.outsideAction}">Sign in with ${outside}</button>`
    }</div>
</form>
${
  samples.length === 0
    ? undefined
    : html`<form method="post" action="${view.action}" aria-labelledby="samples">
${csrfField(view.csrf)}
<h2 id="samples">Sample users</h2>
<p class="quiet">Invented people, for trying Lockstep out on this machine.</p>
${samples.map(
  (user) =>
    html`<button class="row" type="submit" name="sample" value="${user.id}">${user.name}${
      user.administrator ? html` <span class="quiet">&ndash; may administer</span>` : undefined
    }</button>`,
)}
</form>`
}`,
  );
}
