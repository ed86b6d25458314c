import { html } from '../html.ts';
import type { ScopeGroup } from '../scope-words.ts';
import { csrfField, type PageSetting, page } from './layout.ts';

export interface ConsentView extends PageSetting {
  readonly flow: string;
  readonly csrf: string;
  readonly app: string;
  readonly description?: string | undefined;
  /** Where the answer goes, so that a look-alike app can be recognized. */
  readonly destination?: string | undefined;
  readonly user: string;
  readonly patient?: string | undefined;
  readonly groups: readonly ScopeGroup[];
}

/** Lists what the app asks for in plain words; each can be switched off (AUT-5). */
export function consentPage(view: ConsentView): string {
  const { words } = view.language;
  return page(
    view,
    words('Allow access'),
    html`<h1>${words('Allow {}?', view.app)}</h1>
${view.description ? html`<p>${view.description}</p>` : undefined}
<p class="quiet">${words('You are {}. The app is at {}.', view.user, view.destination ?? words('this machine'))}${
      view.patient ? html` ${words('Patient:')} <strong>${view.patient}</strong>` : undefined
    }</p>
<form method="post" action="${view.flow}/consent">
${csrfField(view.csrf)}
<p>${words('The app may:')}</p>
${view.groups.map(
  ({ title, entries }) => html`<fieldset>
<legend>${title}</legend>
${entries.map(
  ({
    scope,
    words: meaning,
  }) => html`<label class="choice"><input type="checkbox" name="scope" value="${scope.text}" checked>
<span>${meaning} <code class="quiet">${scope.text}</code></span></label>`,
)}
</fieldset>`,
)}
<div class="actions">
<button class="main" type="submit" name="decision" value="allow">${words('Allow')}</button>
<button type="submit" name="decision" value="deny">${words('Refuse')}</button>
</div>
</form>`,
  );
}
