import { type Html, html } from '../html.ts';
import type { Passkey } from '../passkeys.ts';
import type { Enrolment } from '../second-factors.ts';
import { csrfField, page, problem } from './layout.ts';
import { passkeyForm } from './passkey.ts';

export interface SecondFactorView {
  readonly base: string;
  readonly user: string;
  readonly csrf: string;
  /** Whether the person has an authenticator app. */
  readonly active: boolean;
  readonly passkeys: readonly Passkey[];
  /** Whether browsers make passkeys for this server. */
  readonly passkeysAvailable: boolean;
  /** The secret that is being set up. It is shown once. */
  readonly enrolment?: Enrolment | undefined;
  /** The passkey that is being made: what the browser is asked, and its name. */
  readonly creation?: { readonly options: object; readonly name: string } | undefined;
  /** Whether a code was wrong, and may be entered again. */
  readonly confirming?: boolean;
  readonly problem?: string | undefined;
}

function passwordForm(view: SecondFactorView, step: string, button: string, more?: Html): Html {
  return html`<form method="post" action="${view.base}/auth/second-factor">${csrfField(view.csrf)}
${more}
<label>Your password
<input type="password" name="password" autocomplete="current-password"></label>
<div class="actions"><button class="main" type="submit" name="step" value="${step}">${button}</button></div></form>`;
}

function codeForm(view: SecondFactorView): Html {
  return html`<form method="post" action="${view.base}/auth/second-factor">${csrfField(view.csrf)}
<label for="code">The code that it shows now</label>
<input type="text" id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="7">
<div class="actions"><button class="main" type="submit" name="step" value="confirm">Confirm</button></div></form>`;
}

function authenticatorApp(view: SecondFactorView): Html {
  const { enrolment, active } = view;
  if (active) {
    return html`<p>A code of your authenticator app opens, after your password.</p>${passwordForm(view, 'remove', 'End the authenticator app')}`;
  }
  if (enrolment) {
    return html`<p>Enter this key into your authenticator app, or <a href="${enrolment.uri}">open it there</a>:</p>
<p><code>${enrolment.secret}</code></p>${codeForm(view)}`;
  }
  return html`<p>An authenticator app on your phone shows a code that changes every 30 seconds. With it, your password alone opens nothing.</p>
${passwordForm(view, 'begin', 'Set up')}
${view.confirming && codeForm(view)}`;
}

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

function passkeyRow(view: SecondFactorView, { id, name, createdAt, lastUsedAt }: Passkey): Html {
  const used = lastUsedAt === undefined ? 'not used yet' : `last used ${day(lastUsedAt)}`;
  return html`<li><strong>${name}</strong> <span class="quiet">added ${day(createdAt)}, ${used}</span>
<details><summary>Remove</summary>${passwordForm(
    view,
    'remove-passkey',
    'Remove this passkey',
    html`<input type="hidden" name="id" value="${id}">`,
  )}</details></li>`;
}

function passkeys(view: SecondFactorView): Html {
  const { creation } = view;
  if (creation) {
    return html`<p>Your browser asks for the passkey now.</p>${passkeyForm({
      action: `${view.base}/auth/second-factor`,
      csrf: view.csrf,
      act: 'create',
      options: creation.options,
      fields: html`<input type="hidden" name="step" value="keep-passkey"><input type="hidden" name="name" value="${creation.name}">`,
      button: 'Make the passkey',
    })}`;
  }
  const name = html`<label>A name for it
<input type="text" name="name" maxlength="60" autocomplete="off"></label>`;
  return html`<p>A passkey is kept by your computer, your phone or a security key. Nobody can give it away on a false page.</p>
${view.passkeys.length > 0 && html`<ul>${view.passkeys.map((one) => passkeyRow(view, one))}</ul>`}
${
  view.passkeysAvailable
    ? passwordForm(view, 'add-passkey', 'Add a passkey', name)
    : html`<p class="quiet">Passkeys need a server with a name: this one is reached by an IP address.</p>`
}`;
}

/** Setting up, confirming and ending second factors. */
export function secondFactorPage(view: SecondFactorView): string {
  return page(
    view.base,
    'Second factor',
    html`<h1>Second factor</h1>
<p class="quiet">You are ${view.user}. One of these is asked for after your password, once you have one. Set up two, for that you lose one.</p>
${problem(view.problem)}
${!view.creation && html`<h2>Authenticator app</h2>${authenticatorApp(view)}`}
${!view.enrolment && html`<h2>Passkeys</h2>${passkeys(view)}`}
<p><a href="${view.base}/auth/manage">Applications with access</a></p>`,
  );
}
