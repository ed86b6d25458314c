import { type Html, html } from '../html.ts';
import type { Enrolment } from '../second-factors.ts';
import { csrfField, page, problem } from './layout.ts';

export interface SecondFactorView {
  readonly base: string;
  readonly user: string;
  readonly csrf: string;
  /** Whether the person has a second factor. */
  readonly active: boolean;
  /** The secret that is being set up. It is shown once. */
  readonly enrolment?: Enrolment | undefined;
  /** Whether a code was wrong, and may be entered again. */
  readonly confirming?: boolean;
  readonly problem?: string | undefined;
}

function passwordForm(view: SecondFactorView, step: string, button: string): Html {
  return html`<form method="post" action="${view.base}/auth/second-factor">${csrfField(view.csrf)}
<label for="password">Your password</label>
<input type="password" id="password" name="password" autocomplete="current-password">
<div class="actions"><button class="main" type="submit" name="step" value="${step}">${button}</button></div></form>`;
}

function codeForm(view: SecondFactorView): Html {
  return html`<form method="post" action="${view.base}/auth/second-factor">${csrfField(view.csrf)}
<label for="code">The code that it shows now</label>
<input type="text" id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="7">
<div class="actions"><button class="main" type="submit" name="step" value="confirm">Confirm</button></div></form>`;
}

/** Setting up, confirming and ending the second factor. */
export function secondFactorPage(view: SecondFactorView): string {
  const { enrolment, active } = view;
  return page(
    view.base,
    'Second factor',
    html`<h1>Second factor</h1>
<p class="quiet">You are ${view.user}.</p>
${problem(view.problem)}
${
  active
    ? html`<p>Signing in needs your password and a code of your authenticator app.</p>${passwordForm(view, 'remove', 'End the second factor')}`
    : enrolment
      ? html`<p>Enter this key into your authenticator app, or <a href="${enrolment.uri}">open it there</a>:</p>
<p><code>${enrolment.secret}</code></p>${codeForm(view)}`
      : html`<p>An authenticator app on your phone shows a code that changes every 30 seconds. With it, your password alone opens nothing.</p>
${passwordForm(view, 'begin', 'Set up')}
${view.confirming && codeForm(view)}`
}
<p><a href="${view.base}/auth/manage">Applications with access</a></p>`,
  );
}
