import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVENT_TEXT, parseEvent, readExact } from '@lockstep/fhircast';
import { access, eventOf, patient, put, reference, report, study, TOPIC, Trial, updates } from '../../test/events.ts';
import type { Decision } from './commands.ts';
import { currentContext, currentContextJson } from './current-context.ts';
import { eventText } from './event-text.ts';
import { contextOf } from './session-state.ts';
import { IRA } from './versions.ts';

const code = (decision: Decision): string => (decision.ok ? 'accepted' : decision.code);

/** Publishes a text as its client wrote it. @returns the decision, and the event as it goes out */
function publishText(trial: Trial, text: string, versionId: string): { decision: Decision; sent: string } {
  const exact = readExact(text, EVENT_TEXT);
  assert.ok(exact.ok);
  const read = parseEvent(exact.value.value);
  assert.ok(read.ok, read.ok ? '' : read.reason);
  const decision = trial.decide({
    kind: 'publish',
    access: access(),
    request: read.value,
    exact: exact.value,
    versionId,
    fingerprint: text,
  });
  const event = eventOf(decision);
  return { decision, sent: event ? eventText(event.message, event.context) : '' };
}

describe('PUB-13 what is inside a context', () => {
  const OBSERVATION =
    '{"resourceType": "Observation", "id":"o1","valueQuantity":{"value":7.10, "x":12345678901234567890.12345},"tiny":1e-7 }';
  const OPEN = `[{"key":"report","resource":{"id":"r1", "resourceType":"DiagnosticReport","odd":1.00}},{"key":"patient","resource":{"resourceType":"Patient","id":"p1","extension":[{"valueDecimal":2.50}]}} ]`;

  const opened = (): Trial => {
    const trial = new Trial();
    const text = `{"timestamp":"2026-01-08T00:00:00Z","id":"e1","event":{"context":${OPEN},"hub.topic":"${TOPIC}","hub.event":"DiagnosticReport-open"}}`;
    const { sent } = publishText(trial, text, 'v1');
    assert.ok(sent.includes(`"context":${OPEN}`), sent);
    return trial;
  };

  it('PUB-13 goes out and is read in its publisher’s words: numbers, order, spaces, unknown members', () => {
    const trial = opened();
    const bundle = `[{"key":"report","reference":{"reference":"DiagnosticReport/r1"}},{"key":"updates","resource":{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"PUT"},"resource":${OBSERVATION}}]}}]`;
    const text = `{"timestamp":"2026-01-08T00:00:00Z","id":"e2","event":{"hub.topic":"${TOPIC}","hub.event":"DiagnosticReport-update","context.versionId":"v1","context":${bundle}}}`;
    const { sent } = publishText(trial, text, 'v2');
    assert.ok(sent.includes(`"context":${bundle}`), sent);
    assert.ok(sent.includes('"context.versionId":"v2","context.priorVersionId":"v1"'), sent);
    const answer = currentContextJson(currentContext(trial.state, () => true, trial.profile));
    assert.ok(answer.includes(OBSERVATION), answer);
    assert.ok(answer.includes('"odd":1.00') && answer.includes('2.50'), answer);
    assert.doesNotThrow(() => JSON.parse(answer));
  });

  it('PUB-13 that a draft leaves out of a close is what was opened, in its words', () => {
    const trial = opened();
    const text = `{"timestamp":"2026-01-08T00:00:00Z","id":"e3","event":{"hub.topic":"${TOPIC}","hub.event":"DiagnosticReport-close","context":[ {"key":"report","resource":{"resourceType":"DiagnosticReport","id":"r1","n":3.0}}, {"key":"patient","resource":{"resourceType":"Patient","id":"p1"}} ]}}`;
    assert.ok(publishText(trial, text, 'v2').sent.includes('"n":3.0'));
  });
});

describe('PUB-7 an id that was used', () => {
  it('PUB-7 by the same event is a retry; by another one it is refused, and nothing changes', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient('p1')]);
    const before = trial.state;
    const known = { number: 1, fingerprint: 'f' };
    assert.equal(code(trial.publish('Patient-open', [patient('p1')], {}, { known, fingerprint: 'f' })), 'accepted');
    assert.equal(code(trial.publish('Patient-open', [patient('p2')], {}, { known, fingerprint: 'g' })), 'id-used');
    assert.equal(trial.state, before);
    const earlier = { known: { number: 1 }, fingerprint: 'g' };
    assert.equal(code(trial.publish('Patient-open', [patient('p1')], {}, earlier)), 'accepted', 'stored without one');
  });
});

describe('PUB-14 two patients', () => {
  const person = (id: string, ...identifier: readonly (readonly [string, string])[]) => ({
    key: 'patient',
    resource: {
      resourceType: 'Patient',
      id,
      identifier: identifier.map(([system, value]) => ({ system, value })),
    },
  });
  const refused = (decision: Decision): string => {
    assert.equal(code(decision), 'other-patient');
    const reason = decision.ok ? '' : decision.reason;
    assert.match(reason, /urn:mrn/);
    assert.doesNotMatch(reason, /secret/);
    return reason;
  };

  it('PUB-14 in one event, by a Patient and by references of other resources, are refused', () => {
    const subject = (value: string, more: object = {}) => ({
      key: 'report',
      resource: {
        resourceType: 'DiagnosticReport',
        id: 'r1',
        subject: { ...more, identifier: { system: 'urn:mrn', value } },
      },
    });
    const trial = new Trial();
    const mrn = person('p1', ['urn:mrn', 'secret1']);
    refused(trial.publish('DiagnosticReport-open', [subject('secret2'), mrn]));
    refused(trial.publish('DiagnosticReport-open', [subject('secret2', { reference: 'Patient/p9' }), mrn]));
    assert.ok(trial.publish('DiagnosticReport-open', [subject('secret1'), mrn]).ok);
    assert.ok(trial.publish('DiagnosticReport-open', [subject('secret2', { type: 'Group' }), mrn]).ok, 'of no patient');
  });

  it('PUB-14 on an open anchor are refused, whatever the event: open again, close, update', () => {
    const trial = new Trial();
    const before = person('p1', ['urn:mrn', 'secret1'], ['urn:other', '5']);
    const other = person('p1', ['urn:mrn', 'secret2']);
    trial.accepted('Patient-open', [before]);
    const state = trial.state;
    refused(trial.publish('Patient-open', [other]));
    refused(trial.publish('Patient-close', [other]));
    const update = [reference('patient', 'Patient/p1'), updates(put(other.resource))];
    refused(trial.publish('Patient-update', update, { 'context.versionId': 'v1' }));
    assert.equal(trial.state, state);
    for (const same of [person('p1', ['urn:mrn', 'secret1']), person('p1', ['urn:new', 'x']), patient('p1')]) {
      assert.ok(trial.publish('Patient-open', [same]).ok, 'one person under different ids');
    }
    assert.ok(
      trial.publish('Patient-open', [person('p2', ['urn:mrn', 'secret2'])]).ok,
      'another anchor is a change of patient',
    );
  });

  it('PUB-14 several identifiers of one system are one person’s as long as one is shared; old ones do not count', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [person('p1', ['urn:mrn', 'secret1'], ['urn:mrn', 'secret2'])]);
    assert.ok(trial.publish('Patient-open', [person('p1', ['urn:mrn', 'secret2'])]).ok);
    const merged = {
      resourceType: 'Patient',
      id: 'p1',
      identifier: [{ use: 'old', system: 'urn:mrn', value: 'secret9' }],
    };
    assert.ok(trial.publish('Patient-open', [{ key: 'patient', resource: merged }]).ok);
  });
});

describe('permission and form', () => {
  it('PUB-2 an event needs a write scope of its own', () => {
    const trial = new Trial();
    const as = access({ scope: 'fhircast/Patient-open.write fhircast/*.read' });
    assert.equal(code(trial.publish('Patient-close', [patient()], {}, { access: as })), 'scope-missing');
    assert.equal(code(trial.publish('Patient-open', [patient()], {}, { access: as })), 'accepted');
  });

  it('PUB-5 what a deeper look finds wrong is refused; what is in an event of others’ own is theirs', () => {
    const seen: boolean[] = [];
    const trial = new Trial(undefined, {
      resourceProblem: ({ id }, partial) => {
        seen.push(partial);
        return id === 'bad' ? 'status is missing' : undefined;
      },
    });
    assert.equal(code(trial.publish('Patient-open', [patient('bad')])), 'invalid');
    trial.accepted('Patient-open', [patient()]);
    trial.accepted('Patient-close', [patient()]);
    assert.equal(code(trial.publish('org.example.x', [patient('bad')])), 'accepted');
    assert.deepEqual(seen, [false, false, true]);
  });

  it('PUB-9, PUB-11, CON-1 refuse what is not open, not a transaction, or names a resource twice', () => {
    const trial = new Trial();
    assert.equal(trial.refused('Patient-close', [patient()]), 'not-open');
    trial.accepted('DiagnosticReport-open', [report(), patient(), study()]);
    const anchor = reference('report', 'DiagnosticReport/r1');
    const version = { 'context.versionId': 'v2' };
    const twice = updates(put({ resourceType: 'Observation', id: 'o' }), put({ resourceType: 'Observation', id: 'o' }));
    assert.equal(trial.refused('DiagnosticReport-update', [anchor, twice], version), 'invalid');
  });

  it('CON-9 an update’s entries give one name to one resource, or are refused', () => {
    const trial = new Trial();
    trial.accepted('DiagnosticReport-open', [report(), patient(), study()]);
    const anchor = reference('report', 'DiagnosticReport/r1');
    const odd = {
      fullUrl: 'https://x/Observation/other',
      request: { method: 'PUT', url: 'Observation/o' },
      resource: { resourceType: 'Observation', id: 'o' },
    };
    assert.equal(
      trial.refused('DiagnosticReport-update', [anchor, updates(odd)], { 'context.versionId': 'v1' }),
      'invalid',
    );
    const named = { fullUrl: 'urn:uuid:x', request: { method: 'PUT', url: 'Observation/o' }, resource: odd.resource };
    trial.accepted('DiagnosticReport-update', [anchor, updates(named)], { 'context.versionId': 'v1' });
    const gone = { fullUrl: 'urn:uuid:x', request: { method: 'DELETE' } };
    trial.accepted('DiagnosticReport-update', [anchor, updates(gone)], {
      'context.versionId': trial.version('DiagnosticReport/r1'),
    });
    assert.deepEqual(trial.content('DiagnosticReport/r1'), []);
  });

  it('CON-4 ira: what identifies a patient or a study is fixed', () => {
    const trial = new Trial(IRA);
    const typed = { type: { coding: [{ code: 'MR' }] }, system: 'urn:mrn', value: '1' };
    const person = { resourceType: 'Patient', id: 'p1', identifier: [typed] };
    trial.accepted('DiagnosticReport-open', [report(), { key: 'patient', resource: person }, study()]);
    const changed = { ...person, identifier: [{ ...typed, value: '2' }] };
    const context = [reference('report', 'DiagnosticReport/r1'), updates(put(changed))];
    assert.equal(trial.refused('DiagnosticReport-update', context, { 'context.versionId': 'v1' }), 'fixed-context');
    assert.equal(contextOf(trial.state.anchors.get('DiagnosticReport/r1')!.opening).length, 3);
  });

  it('PUB-12 what the Hub alone says cannot be published', () => {
    const trial = new Trial();
    assert.equal(trial.refused('org.lockstep.following', []), 'invalid');
    assert.equal(trial.refused('ORG.LOCKSTEP.Following', []), 'invalid');
  });
});
