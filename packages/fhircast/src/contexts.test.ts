import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AS_READ, anchorOf, contextChange, NO_CONTEXTS, type SessionContexts, stepContexts } from './contexts.ts';
import type { ContextElement, EventMessage } from './messages.ts';

type Held = readonly ContextElement[];

const patient = { key: 'patient', resource: { resourceType: 'Patient', id: 'p' } };
const report = { key: 'report', resource: { resourceType: 'DiagnosticReport', id: 'r' } };
const toPatient = { key: 'patient', reference: { reference: 'Patient/p' } };

function event(name: string, context: readonly ContextElement[], versionId?: string, prior?: string): EventMessage {
  return {
    id: name,
    timestamp: '2026-01-08T01:37:05Z',
    event: {
      'hub.topic': 't',
      'hub.event': name,
      ...(versionId === undefined ? {} : { 'context.versionId': versionId }),
      ...(prior === undefined ? {} : { 'context.priorVersionId': prior }),
      context,
    },
  };
}

function updates(...entry: unknown[]): ContextElement {
  return { key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction', entry } };
}

const observation = { resourceType: 'Observation', id: 'o' };
const put = { request: { method: 'PUT', url: 'Observation/o' }, resource: observation };

/** The contexts after the events; the code of the first that is refused. */
function after(...events: readonly EventMessage[]): SessionContexts<Held> | string {
  let contexts: SessionContexts<Held> = NO_CONTEXTS;
  for (const message of events) {
    const read = contextChange(message, message.event.context);
    if (!read) continue;
    if (!read.ok) return read.code;
    const stepped = stepContexts(contexts, read.change, AS_READ);
    if (!stepped.ok) return stepped.code;
    contexts = stepped.contexts;
  }
  return contexts;
}

function done(...events: readonly EventMessage[]): SessionContexts<Held> {
  const contexts = after(...events);
  assert.ok(typeof contexts !== 'string', String(contexts));
  return contexts;
}

const openPatient = event('Patient-open', [patient], 'v1');
const openReport = event('DiagnosticReport-open', [report, patient], 'v2');

describe('a session’s contexts', () => {
  it('PUB-8 an open makes current, a re-open keeps content and comes last', () => {
    const update = event('Patient-update', [toPatient, updates(put)], 'v3', 'v1');
    const contexts = done(openPatient, openReport, update, event('Patient-open', [patient], 'v4'));
    assert.equal(contexts.current, 'Patient/p');
    assert.deepEqual([...contexts.anchors.keys()], ['DiagnosticReport/r', 'Patient/p']);
    const anchor = contexts.anchors.get('Patient/p');
    assert.equal(anchor?.versionId, 'v4');
    assert.deepEqual(anchor?.content.get('Observation/o')?.resource, observation);
  });

  it('PUB-9 closing the current one leaves none, closing another leaves it alone', () => {
    const current = done(openPatient, openReport, event('DiagnosticReport-close', [report, patient]));
    assert.equal(current.current, undefined);
    assert.deepEqual([...current.anchors.keys()], ['Patient/p']);
    const other = done(openPatient, openReport, event('Patient-close', [patient]));
    assert.equal(other.current, 'DiagnosticReport/r');
  });

  it('PUB-10 Home-open empties the current context alone, UserLogout everything', () => {
    const home = done(openPatient, event('Home-open', [], 'v2'));
    assert.deepEqual([home.current, home.home?.versionId, home.anchors.size], [undefined, 'v2', 1]);
    assert.equal(done(openPatient, event('Home-open', [], 'v2'), openReport).home, undefined);
    assert.equal(done(openPatient, event('UserLogout', [])), NO_CONTEXTS);
  });

  it('PUB-11 what is not open is not closed, updated or selected in', () => {
    for (const one of [
      event('Patient-close', [patient]),
      event('Patient-update', [toPatient, updates(put)], 'v2', 'v1'),
      event('Patient-select', [toPatient]),
    ]) {
      assert.equal(after(openReport, one), 'not-open');
    }
  });

  it('CON-2 an update of another version is refused, and makes the new one otherwise', () => {
    assert.equal(
      after(openPatient, event('Patient-update', [toPatient, updates(put)], 'v3', 'v0')),
      'version-conflict',
    );
    const contexts = done(openPatient, event('Patient-update', [toPatient, updates(put)], 'v3', 'v1'));
    assert.equal(contexts.anchors.get('Patient/p')?.versionId, 'v3');
  });

  it('CON-4 an update deletes no resource of the opening context', () => {
    const remove = { request: { method: 'DELETE', url: 'Patient/p' } };
    const update = event('Patient-update', [toPatient, updates(remove)], 'v3', 'v1');
    assert.equal(after(openPatient, update), 'opening-resource-deleted');
  });

  it('CON-7 a selection is of the current context, and ends with it', () => {
    const select = (anchor: ContextElement, name: string) =>
      event(name, [anchor, { key: 'select', reference: { reference: 'Observation/o' } }]);
    assert.equal(after(openPatient, openReport, select(toPatient, 'Patient-select')), 'not-current');
    const selected = select(toPatient, 'Patient-select');
    assert.deepEqual(done(openPatient, selected).selected, ['Observation/o']);
    for (const next of [openReport, openPatient, event('Home-open', []), event('Patient-close', [patient])]) {
      assert.deepEqual(done(openPatient, selected, next).selected, []);
    }
  });

  it('shares what a step does not change', () => {
    const before = done(openPatient, openReport);
    const update = event('Patient-update', [toPatient, updates(put)], 'v3', 'v1');
    const read = contextChange(update, update.event.context);
    assert.ok(read?.ok);
    const stepped = stepContexts(before, read.change, AS_READ);
    assert.ok(stepped.ok);
    assert.equal(stepped.contexts.anchors.get('DiagnosticReport/r'), before.anchors.get('DiagnosticReport/r'));
    assert.equal(before.anchors.get('Patient/p')?.content.size, 0);
    assert.deepEqual([...stepped.contexts.anchors.keys()], [...before.anchors.keys()]);
  });
});

describe('the anchor of an event', () => {
  it('is what its own key holds, where another element is of the same type', () => {
    const prior = { key: 'prior', resource: { resourceType: 'DiagnosticReport', id: 'old' } };
    assert.deepEqual(anchorOf('DiagnosticReport', [prior, report]), { type: 'DiagnosticReport', id: 'r' });
    assert.deepEqual(anchorOf('diagnosticreport', [prior]), { type: 'DiagnosticReport', id: 'old' });
    const versioned = { key: 'report', reference: { reference: 'https://x/DiagnosticReport/r/_history/2' } };
    assert.deepEqual(anchorOf('DiagnosticReport', [versioned]), { type: 'DiagnosticReport', id: 'r' });
    assert.equal(anchorOf('DiagnosticReport', [patient, { key: 'report' }]), undefined);
  });

  it('is missed where it is not there', () => {
    assert.equal(after(event('Patient-open', [])), 'no-anchor');
  });
});
