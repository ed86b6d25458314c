import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Scopes } from '@lockstep/fhircast';
import {
  encounter,
  observation,
  patient,
  put,
  reference,
  report,
  START,
  study,
  Trial,
  updates,
} from '../../test/events.ts';
import { contextList, contextListJson, currentContext, currentContextJson, standingOpens } from './current-context.ts';
import { CORE, IRA } from './versions.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
type Json = { [key: string]: any };

const everything = (_: string): boolean => true;
const scoped = (text: string) => {
  const scopes = new Scopes(text);
  return (event: string) => scopes.mayReceive(event);
};
const read = (trial: Trial, mayRead = everything, profile = trial.profile): Json =>
  JSON.parse(currentContextJson(currentContext(trial.state, mayRead, profile)));
const content = (trial: Trial, mayRead = everything) =>
  read(trial, mayRead).context.find(({ key }: Json) => key === 'content')?.resource;

function update(trial: Trial, anchor: string, ...entries: Record<string, unknown>[]): void {
  trial.accepted(`${anchor.split('/')[0]}-update`, [reference('report', anchor), updates(...entries)], {
    'context.versionId': trial.version(anchor),
  });
}

const ids = (trial: Trial): readonly string[] => standingOpens(trial.state).map(({ id }) => id);

describe('CON-5 current context', () => {
  it('is empty where nothing is open, and after the current one was closed', () => {
    const empty = { 'context.type': '', context: [] };
    const trial = new Trial();
    assert.deepEqual(read(trial), empty);
    trial.accepted('Patient-open', [patient('p1')]);
    trial.accepted('Patient-open', [patient('p2')]);
    trial.accepted('Patient-close', [patient('p2')]);
    assert.deepEqual(read(trial), empty);
    trial.accepted('Patient-open', [patient('p1')]);
    trial.accepted('Home-open', []);
    assert.deepEqual(read(trial), empty);
  });

  it('is the opening context unchanged, and the content as a collection, also when empty', () => {
    const trial = new Trial();
    trial.accepted('DiagnosticReport-open', [report(), patient(), study()]);
    assert.deepEqual(read(trial), {
      'context.type': 'DiagnosticReport',
      'context.versionId': 'v1',
      context: [
        report(),
        patient(),
        study(),
        { key: 'content', resource: { resourceType: 'Bundle', id: 'v1', type: 'collection', entry: [] } },
      ],
    });
    const changed = { resourceType: 'DiagnosticReport', id: 'r1', status: 'final' };
    update(trial, 'DiagnosticReport/r1', put(changed), put(observation('o1'), 'urn:o1'));
    assert.deepEqual(read(trial).context.slice(0, 3), [report(), patient(), study()]);
    assert.equal(read(trial)['context.versionId'], 'v2');
    assert.deepEqual(content(trial)?.entry, [
      { resource: changed },
      { fullUrl: 'urn:o1', resource: observation('o1') },
    ]);
  });
});

describe('CON-6 what the scopes do not cover', () => {
  const trial = new Trial();
  trial.accepted('Patient-open', [patient('p1')]);
  trial.accepted('Encounter-open', [encounter(), patient('p2')]);
  trial.accepted('DiagnosticReport-open', [report(), patient('p2')]);
  update(trial, 'DiagnosticReport/r1', put(observation('o1')));

  it('is passed over: the latest open that may be read', () => {
    assert.equal(read(trial, scoped('fhircast/*.read'))['context.type'], 'DiagnosticReport');
    const ofEncounter = read(trial, scoped('fhircast/Encounter-open.read'));
    assert.equal(ofEncounter['context.type'], 'Encounter');
    assert.deepEqual(content(trial, scoped('fhircast/Encounter-open.read'))?.entry, []);
    assert.deepEqual(read(trial, scoped('fhircast/SyncError.read fhircast/DiagnosticReport-open.write')).context, []);
  });

  it('is content too: it came by updates', () => {
    const opens = scoped('fhircast/DiagnosticReport-open.read');
    assert.deepEqual(content(trial, opens)?.entry, []);
    assert.equal(read(trial, opens)['context.versionId'], trial.version('DiagnosticReport/r1'));
    const both = scoped('fhircast/DiagnosticReport-open.read fhircast/DiagnosticReport-update.read');
    assert.deepEqual(content(trial, both)?.entry, [{ resource: observation('o1') }]);
  });

  it('DER-1 may imply an open that can be read; the content of what it implies is not in it', () => {
    const derived = read(trial, scoped('fhircast/Patient-open.read'));
    assert.equal(derived['context.type'], 'Patient');
    assert.deepEqual(derived.context[0], patient('p2'));
    assert.deepEqual(content(trial, scoped('fhircast/Patient-open.read'))?.entry, []);
    assert.deepEqual(read(trial, scoped('fhircast/Patient-open.read'), IRA).context[0], patient('p1'));
  });

  it('is nothing where the current context is empty', () => {
    const home = new Trial();
    home.accepted('Patient-open', [patient()]);
    home.accepted('Home-open', []);
    assert.deepEqual(read(home, scoped('fhircast/Patient-open.read'), CORE).context, []);
  });
});

describe('SUB-8 standing opens', () => {
  it('are the latest of every anchor type that was not closed, oldest first', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient('p1')], { id: 'a' });
    trial.accepted('DiagnosticReport-open', [report('r1'), patient('p1')], { id: 'b' });
    trial.accepted('Patient-open', [patient('p2')], { id: 'c' });
    trial.accepted('ImagingStudy-open', [study('s1')], { id: 'd' });
    assert.deepEqual(ids(trial), ['b', 'c', 'd']);
    trial.accepted('Patient-close', [patient('p2')]);
    assert.deepEqual(ids(trial), ['a', 'b', 'd']);
    trial.accepted('Patient-open', [patient('p1')], { id: 'e' });
    assert.deepEqual(ids(trial), ['b', 'd', 'e']);
    trial.accepted('DiagnosticReport-close', [report('r1'), patient('p1')]);
    assert.deepEqual(ids(trial), ['d', 'e']);
  });

  it('have the original id and timestamp, and the version that is current now', () => {
    const trial = new Trial();
    const timestamp = new Date(START - 60_000).toISOString();
    const sent = trial.accepted('DiagnosticReport-open', [report(), patient()], { id: 'a', timestamp });
    assert.deepEqual(JSON.parse(standingOpens(trial.state)[0]!.text), sent);
    update(trial, 'DiagnosticReport/r1', put(observation('o1')));
    const [open] = standingOpens(trial.state);
    assert.deepEqual(JSON.parse(open!.text), { ...sent, event: { ...sent.event, 'context.versionId': 'v2' } });
  });

  it('end with Home-open while that is the latest', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient()], { id: 'a' });
    trial.accepted('Home-open', [], { id: 'h' });
    assert.deepEqual(ids(trial), ['a', 'h']);
    trial.accepted('ImagingStudy-open', [study()], { id: 'b' });
    assert.deepEqual(ids(trial), ['a', 'b']);
    trial.accepted('Home-open', [], { id: 'h2' });
    trial.accepted('UserLogout', [{ key: 'parameters', resource: { resourceType: 'Parameters' } }]);
    assert.deepEqual(ids(trial), []);
  });
});

describe('WEB-5 the context as a list', () => {
  const list = (trial: Trial, mayRead = everything): Json[] =>
    JSON.parse(contextListJson(contextList(trial.state, mayRead, trial.profile)));
  const types = (trial: Trial, mayRead = everything) => list(trial, mayRead).map(({ contextType }) => contextType);

  it('is the current context, then what else is open, the latest first', () => {
    const trial = new Trial();
    assert.deepEqual(list(trial), []);
    trial.accepted('ImagingStudy-open', [study()]);
    trial.accepted('Patient-open', [patient('p1')]);
    trial.accepted('DiagnosticReport-open', [report(), patient(), study()]);
    assert.deepEqual(types(trial), ['DiagnosticReport', 'Patient', 'ImagingStudy']);
    const [current] = list(trial);
    assert.deepEqual(current, { contextType: 'DiagnosticReport', ...read(trial) });
    trial.accepted('Patient-open', [patient('p1')]);
    assert.deepEqual(types(trial), ['Patient', 'DiagnosticReport', 'ImagingStudy']);
  });

  it('is empty where there is no current context, whatever else is open', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient('p1')]);
    trial.accepted('ImagingStudy-open', [study()]);
    trial.accepted('ImagingStudy-close', [study()]);
    assert.deepEqual(list(trial), []);
  });

  it('CON-6 holds what its reader may read', () => {
    const trial = new Trial();
    trial.accepted('ImagingStudy-open', [study()]);
    trial.accepted('DiagnosticReport-open', [report(), patient(), study()]);
    assert.deepEqual(types(trial, scoped('fhircast/ImagingStudy-open.read')), ['ImagingStudy']);
    assert.deepEqual(types(trial, scoped('fhircast/Encounter-open.read')), []);
  });
});
