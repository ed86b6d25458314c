import { createHash } from 'node:crypto';
import { Html, html } from '../html.ts';
import { csrfField } from './layout.ts';
import type { Words } from './page-language.ts';

/** Asks the browser for a passkey when its button is pressed, and sends what it says with the form. */
const SCRIPT = `
const form = document.querySelector('form[data-passkey]');
const button = form.querySelector('button');
const failed = form.querySelector('[role=alert]');
button.disabled = false;
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  failed.hidden = true;
  try {
    const options = JSON.parse(form.dataset.passkey);
    const credential = form.dataset.act === 'create'
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    form.elements.passkey.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch {
    failed.hidden = false;
  }
});
`;

const POLICY = `script-src 'sha256-${createHash('sha256').update(SCRIPT).digest('base64')}'; `;

/** What the content security policy of a page says about scripts: this one may run where the page has it, nothing else ever does. */
export function scriptPolicy(page: string): string {
  return page.includes(SCRIPT) ? POLICY : '';
}

export interface PasskeyFormView {
  /** Where the form goes. */
  readonly action: string;
  readonly csrf: string;
  /** Whether a passkey is made or used. */
  readonly act: 'create' | 'get';
  /** What the browser is asked, JSON. */
  readonly options: object;
  /** More of the form. */
  readonly fields: Html;
  readonly button: string;
  readonly words: Words;
}

/** A form whose button asks for a passkey. One to a page. */
export function passkeyForm(view: PasskeyFormView): Html {
  return html`<form method="post" action="${view.action}" data-act="${view.act}" data-passkey="${JSON.stringify(view.options)}">
${csrfField(view.csrf)}
${view.fields}
<input type="hidden" name="passkey">
<p class="problem" role="alert" hidden>${view.words('The passkey was not used. Try again.')}</p>
<noscript><p class="problem">${view.words('Passkeys need JavaScript.')}</p></noscript>
<div class="actions"><button class="main" type="submit" disabled>${view.button}</button></div></form>
<script>${new Html(SCRIPT)}</script>`;
}
