/** Events and states in a line each, for people. */
import type { HubEvent, SyncState } from '@lockstep/client';
import { anchorKeyOf, type ContextElement, textOf } from '@lockstep/fhircast';
import type { AnswerRule } from './answers.ts';
import { CliError, EXIT } from './command.ts';
import type { Terminal } from './terminal.ts';

/** `Patient/1` and `study=ImagingStudy/2` as context elements. @throws CliError */
export function resourceElement(text: string): ContextElement {
  const match = /^(?:([a-z]\w*)=)?([A-Z][A-Za-z]+)\/([A-Za-z0-9.-]{1,64})$/.exec(text);
  if (!match) throw new CliError(EXIT.usage, `${text} is no resource: Patient/123, or study=ImagingStudy/456`);
  const [, key, resourceType = '', id = ''] = match;
  return { key: key ?? anchorKeyOf(resourceType), resource: { resourceType, id } };
}

/** `patient Patient/1, study ImagingStudy/2`: identifiers only. */
export function contextText(elements: readonly ContextElement[]): string {
  return elements
    .map(({ key, resource, reference }) => {
      if (resource) return `${key} ${resource.resourceType}${resource.id ? `/${resource.id}` : ''}`;
      const references = reference === undefined ? [] : [reference].flat();
      return `${key} ${references.map((one) => one.reference ?? '?').join(' ')}`.trim();
    })
    .join(', ');
}

function timeText(time: number): string {
  return Number.isNaN(time) ? '--:--:--' : new Date(time).toTimeString().slice(0, 8);
}

export function eventLine(event: HubEvent, rule: AnswerRule, terminal: Terminal): string {
  const answer = rule.status === undefined ? 'not answered' : rule.status === 200 ? '' : `answered ${rule.status}`;
  const notes = [event.derived ? 'found by reading the Hub' : '', answer].filter(Boolean).join(', ');
  const time = terminal.style('dim', timeText(event.time));
  const name = terminal.style(event.name === 'SyncError' ? 'red' : 'cyan', event.name);
  const about = event.name === 'SyncError' ? syncErrorText(event.elements) : contextText(event.elements);
  return `${time}  ${name}  ${about}${notes ? terminal.style('yellow', `  (${notes})`) : ''}`;
}

function syncErrorText(elements: readonly ContextElement[]): string {
  const outcome = elements.find(({ key }) => key === 'operationoutcome')?.resource;
  const issues = Array.isArray(outcome?.issue) ? (outcome.issue as { diagnostics?: unknown }[]) : [];
  return issues.map(({ diagnostics }) => textOf(diagnostics)).join('; ');
}

export function stateLine(state: SyncState, terminal: Terminal): string {
  const style = state.status === 'in-sync' ? 'green' : state.status === 'out-of-sync' ? 'red' : 'yellow';
  const why = 'reason' in state && state.reason ? `: ${state.reason}` : '';
  const who = state.status === 'out-of-sync' && state.who ? ` (${state.who})` : '';
  return `${terminal.style('dim', timeText(Date.now()))}  ${terminal.style(style, state.status)}${why}${who}`;
}
