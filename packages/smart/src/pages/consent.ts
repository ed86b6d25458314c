import { html } from '../html.ts';
import type { ScopeGroup } from '../scope-words.ts';
import { csrfField, page, problem } from './layout.ts';

export interface ConsentView {
  readonly base: string;
  readonly flow: string;
  readonly csrf: string;
  readonly app: string;
  readonly description?: string | undefined;
  /** Where the answer goes, so that a look-alike app can be recognized. */
  readonly destination: string;
  readonly user: string;
  readonly patient?: string | undefined;
  readonly groups: readonly ScopeGroup[];
  readonly problem?: string | undefined;
}

/** Lists what the app asks for in plain words; each can be switched off (AUT-5). */
export function consentPage(view: ConsentView): string {
  return page(
    view.base,
    'Allow access',
    html`<h1>Allow ${view.app}?</h1>
${view.description ? html`<p>${view.description}</p>` : undefined}
<p class="quiet">You are ${view.user}. The app is at ${view.destination}.${
      view.patient ? html` Patient: <strong>${view.patient}</strong>.` : undefined
    }</p>
${problem(view.problem)}
<form method="post" action="${view.flow}/consent">
${csrfField(view.csrf)}
<p>The app may:</p>
${view.groups.map(
  ({ title, entries }) => html`<fieldset>
<legend>${title}</legend>
${entries.map(
  ({ scope, words }) => html`<label class="choice"><input type="checkbox" name="scope" value="${scope.text}" checked>
<span>${words} <code class="quiet">${scope.text}</code></span></label>`,
)}
</fieldset>`,
)}
<div class="actions">
<button class="main" type="submit" name="decision" value="allow">Allow</button>
<button type="submit" name="decision" value="deny">Refuse</button>
</div>
</form>`,
  );
}
