import { type Html, html } from '../html.ts';
import type { Passkey } from '../passkeys.ts';
import type { Enrolment } from '../second-factors.ts';
import { csrfField, type PageSetting, page, problem } from './layout.ts';
import type { Said, Words } from './page-language.ts';
import { passkeyForm } from './passkey.ts';

export interface SecondFactorView extends PageSetting {
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
  /** Recovery codes that were just made. They are shown once. */
  readonly codes?: readonly string[] | undefined;
  /** Recovery codes that were not used. */
  readonly codesLeft: number;
  readonly problem?: Said | undefined;
}

/** What a page is made with. */
interface Asked extends SecondFactorView {
  readonly words: Words;
}

function passwordForm(view: Asked, step: string, button: string, more?: Html): Html {
  return html`<form method="post" action="${view.base}/auth/second-factor">${csrfField(view.csrf)}
${more}
<label>${view.words('Your password')}
<input type="password" name="password" autocomplete="current-password"></label>
<div class="actions"><button class="main" type="submit" name="step" value="${step}">${button}</button></div></form>`;
}

function codeForm(view: Asked): Html {
  const { words } = view;
  return html`<form method="post" action="${view.base}/auth/second-factor">${csrfField(view.csrf)}
<label for="code">${words('The code that it shows now')}</label>
<input type="text" id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="7">
<div class="actions"><button class="main" type="submit" name="step" value="confirm">${words('Confirm')}</button></div></form>`;
}

function authenticatorApp(view: Asked): Html {
  const { enrolment, active, words } = view;
  if (active) {
    return html`<p>${words('A code of your authenticator app opens, after your password.')}</p>${passwordForm(view, 'remove', words('End the authenticator app'))}`;
  }
  if (enrolment) {
    return html`<p>${words('Enter this key into your authenticator app, or')} <a href="${enrolment.uri}">${words('open it there')}</a>:</p>
<p><code>${enrolment.secret}</code></p>${codeForm(view)}`;
  }
  return html`<p>${words('An authenticator app on your phone shows a code that changes every 30 seconds. With it, your password alone opens nothing.')}</p>
${passwordForm(view, 'begin', words('Set up'))}
${view.confirming && codeForm(view)}`;
}

function passkeyRow(view: Asked, { id, name, createdAt, lastUsedAt }: Passkey): Html {
  const { words } = view;
  const day = (ms: number): string => view.language.day(ms);
  const used =
    lastUsedAt === undefined
      ? words('added {}, not used yet', day(createdAt))
      : words('added {}, last used {}', day(createdAt), day(lastUsedAt));
  return html`<li><strong>${name}</strong> <span class="quiet">${used}</span>
<details><summary>${words('Rename')}</summary><form method="post" action="${view.base}/auth/second-factor">${csrfField(view.csrf)}
<input type="hidden" name="id" value="${id}">
<label>${words('A name for it')}
<input type="text" name="name" maxlength="60" autocomplete="off" value="${name}"></label>
<div class="actions"><button class="main" type="submit" name="step" value="rename-passkey">${words('Rename this passkey')}</button></div></form></details>
<details><summary>${words('Remove')}</summary>${passwordForm(
    view,
    'remove-passkey',
    words('Remove this passkey'),
    html`<input type="hidden" name="id" value="${id}">`,
  )}</details></li>`;
}

function passkeys(view: Asked): Html {
  const { creation, words } = view;
  if (creation) {
    return html`<p>${words('Your browser asks for the passkey now.')}</p>${passkeyForm({
      action: `${view.base}/auth/second-factor`,
      csrf: view.csrf,
      act: 'create',
      options: creation.options,
      fields: html`<input type="hidden" name="step" value="keep-passkey"><input type="hidden" name="name" value="${creation.name}">`,
      button: words('Make the passkey'),
      words,
    })}`;
  }
  const name = html`<label>${words('A name for it')}
<input type="text" name="name" maxlength="60" autocomplete="off"></label>`;
  return html`<p>${words('A passkey is kept by your computer, your phone or a security key. Nobody can give it away on a false page.')}</p>
${view.passkeys.length > 0 && html`<ul>${view.passkeys.map((one) => passkeyRow(view, one))}</ul>`}
${
  view.passkeysAvailable
    ? passwordForm(view, 'add-passkey', words('Add a passkey'), name)
    : html`<p class="quiet">${words('Passkeys need a server with a name: this one is reached by an IP address.')}</p>`
}`;
}

function recoveryCodes(view: Asked): Html | undefined {
  const { words, codes, codesLeft } = view;
  if (codes) {
    return html`<h2>${words('Recovery codes')}</h2>
<p>${words('Print these codes or write them down. They are shown only now, and each opens once.')}</p>
<ul>${codes.map((code) => html`<li><code>${code}</code></li>`)}</ul>`;
  }
  if (!view.active && view.passkeys.length === 0) return undefined;
  const left = words(
    'A recovery code opens once, after your password, when you have lost your authenticator. {} are left.',
    codesLeft,
  );
  const more = codesLeft > 0 ? html`<p class="quiet">${words('Codes from before no longer work.')}</p>` : undefined;
  return html`<h2>${words('Recovery codes')}</h2>
<p>${left}</p>${passwordForm(view, 'make-codes', words('Make new codes'), more)}`;
}

/** Setting up, confirming and ending second factors. */
export function secondFactorPage(asked: SecondFactorView): string {
  const { words } = asked.language;
  const view = { ...asked, words };
  const told =
    'You are {}. One of these is asked for after your password, once you have one. Set up two, in case you lose one.';
  return page(
    view,
    words('Second factor'),
    html`<h1>${words('Second factor')}</h1>
<p class="quiet">${words(told, view.user)}</p>
${problem(view.problem, view.language)}
${!view.creation && html`<h2>${words('Authenticator app')}</h2>${authenticatorApp(view)}`}
${!view.enrolment && html`<h2>${words('Passkeys')}</h2>${passkeys(view)}`}
${!view.creation && !view.enrolment && recoveryCodes(view)}
<p><a href="${view.base}/auth/manage">${words('Applications with access')}</a></p>`,
  );
}
