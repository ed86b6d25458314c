import { type Html, html } from '../html.ts';
import type { EncounterSummary, OpenSession, PickablePatients } from '../ports.ts';
import { csrfField, type PageSetting, page, problem } from './layout.ts';
import type { Said, Words } from './page-language.ts';

interface PickerView extends PageSetting {
  /** The address of the flow; each form goes to a step below it. */
  readonly flow: string;
  readonly csrf: string;
  readonly app: string;
  readonly problem?: Said | undefined;
}

function cancel(view: PickerView, words: Words): Html {
  return html`<form method="post" action="${view.flow}/cancel">${csrfField(view.csrf)}
<div class="actions"><button type="submit">${words('Cancel')}</button></div></form>`;
}

function listed(parts: readonly (string | undefined)[]): string {
  return parts.filter(Boolean).join(', ');
}

export function patientPage(view: PickerView & PickablePatients & { readonly search: string }): string {
  const { words } = view.language;
  const { next, patients, search } = view;
  return page(
    view,
    words('Choose a patient'),
    html`<h1>${words('Choose a patient for {}', view.app)}</h1>
${problem(view.problem, view.language)}
<form method="get" action="${view.flow}" role="search">
<label for="search">${words('Name or number')}</label>
<input type="search" id="search" name="search" value="${search}" autocomplete="off">
<div class="actions"><button type="submit">${words('Search')}</button></div>
</form>
<form method="post" action="${view.flow}/patient">
${csrfField(view.csrf)}
<h2>${words('Patients')}</h2>
${patients.length === 0 && next === undefined ? html`<p>${words('No patient was found.')}</p>` : undefined}
${patients.map(
  (patient) => html`<button class="row" type="submit" name="patient" value="${patient.id}">${patient.name}
<span class="quiet">${listed([
    patient.birthDate && words('born {}', view.language.date(patient.birthDate)),
    patient.gender && view.language.code(patient.gender),
    patient.identifier,
  ])}</span></button>`,
)}
</form>
${
  next === undefined
    ? undefined
    : html`<p>${words(patients.length === 0 ? 'No patient was found yet: not the whole record was searched.' : 'There may be more patients.')}
<a href="${view.flow}?${new URLSearchParams({ search, after: next }).toString()}">${words('Search on')}</a></p>`
}
${cancel(view, words)}`,
  );
}

export function encounterPage(view: PickerView & { readonly encounters: readonly EncounterSummary[] }): string {
  const { words } = view.language;
  return page(
    view,
    words('Choose an encounter'),
    html`<h1>${words('Choose an encounter for {}', view.app)}</h1>
${problem(view.problem, view.language)}
<form method="post" action="${view.flow}/encounter">
${csrfField(view.csrf)}
${view.encounters.map(
  (encounter) => html`<button class="row" type="submit" name="encounter" value="${encounter.id}">${encounter.title}
<span class="quiet">${listed([
    encounter.start && view.language.date(encounter.start),
    encounter.status && view.language.code(encounter.status),
  ])}</span></button>`,
)}
<button class="row" type="submit" name="encounter" value="none">${words('No encounter')}</button>
</form>
${cancel(view, words)}`,
  );
}

/** @param view.several whether the app can follow more than one session at a time */
export function sessionPage(
  view: PickerView & { readonly sessions: readonly OpenSession[]; readonly own: string; readonly several: boolean },
): string {
  const { words } = view.language;
  return page(
    view,
    words('Choose a session'),
    html`<h1>${words('Which session should {} follow?', view.app)}</h1>
<p>${words('You are working in more than one place. The app follows what you open there.')}</p>
${problem(view.problem, view.language)}
<form method="post" action="${view.flow}/session">
${csrfField(view.csrf)}
<fieldset>
<legend>${words('Your sessions')}</legend>
${view.sessions.map(
  (
    session,
  ) => html`<label class="choice"><input type="${view.several ? 'checkbox' : 'radio'}" name="topic" value="${session.topic}"${
    session.topic === view.own ? html` checked` : undefined
  }> <span>${session.label ?? session.workstation ?? words('No workstation')}
<span class="quiet">${words('since {}', view.language.moment(session.startedAt))}${
    session.subscribers.length > 0 ? ` · ${session.subscribers.join(', ')}` : ''
  }</span></span></label>`,
)}
</fieldset>
<div class="actions"><button class="main" type="submit">${words('Continue')}</button></div>
</form>
${cancel(view, words)}`,
  );
}
