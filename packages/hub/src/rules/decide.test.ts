import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  endedBy,
  eventOf,
  observation,
  operationOutcome,
  parameters,
  patient,
  put,
  redelivered,
  reference,
  remove,
  report,
  START,
  study,
  Trial,
  updates,
} from '../../test/events.ts';
import { contextOf } from './session-state.ts';
import { IRA } from './versions.ts';

const ANCHOR = reference('report', 'DiagnosticReport/r1');

/** A session with one open report. */
function reporting(profile = new Trial().profile): Trial {
  const trial = new Trial(profile);
  trial.accepted('DiagnosticReport-open', [report(), patient(), study()]);
  return trial;
}

function update(
  trial: Trial,
  entries: readonly Record<string, unknown>[],
  version = trial.version('DiagnosticReport/r1'),
) {
  return trial.publish('DiagnosticReport-update', [ANCHOR, updates(...entries)], { 'context.versionId': version });
}

describe('PUB-8 an open', () => {
  it('opens the anchor and makes it current, with a version in the event that goes out', () => {
    const trial = new Trial();
    const message = trial.accepted('Patient-open', [patient('p1')]);
    assert.equal(message.event['context.versionId'], 'v1');
    assert.equal(trial.version('Patient/p1'), 'v1');
    assert.equal(trial.state.current, 'Patient/p1');
    trial.accepted('Patient-open', [patient('p2')]);
    assert.equal(trial.state.current, 'Patient/p2');
    assert.deepEqual([...trial.state.anchors.keys()], ['Patient/p1', 'Patient/p2']);
  });

  it('gives a version of the Hub even where the publisher brought one', () => {
    const message = new Trial().accepted('Patient-open', [patient()], { 'context.versionId': 'mine' });
    assert.equal(message.event['context.versionId'], 'v1');
  });

  it('again keeps the content, takes the new context, and gets a new version and the last place', () => {
    const trial = reporting();
    assert.ok(update(trial, [put(observation('o1'))]).ok);
    trial.accepted('Patient-open', [patient('p2')]);
    const again = trial.accepted('DiagnosticReport-open', [report(), patient()]);
    assert.equal(trial.version('DiagnosticReport/r1'), again.event['context.versionId']);
    assert.deepEqual(trial.content('DiagnosticReport/r1'), ['Observation/o1']);
    assert.equal(trial.state.current, 'DiagnosticReport/r1');
    assert.deepEqual([...trial.state.anchors.keys()], ['Patient/p2', 'DiagnosticReport/r1']);
    assert.equal(contextOf(trial.state.anchors.get('DiagnosticReport/r1')!.opening).length, 2);
  });

  it('keeps the id and timestamp of the request', () => {
    const message = new Trial().accepted('Patient-open', [patient()], {
      id: 'e1',
      timestamp: '2018-01-08T01:37:05.14',
    });
    assert.equal(message.id, 'e1');
    assert.equal(message.timestamp, '2018-01-08T01:37:05.14');
  });
});

describe('PUB-9 a close', () => {
  it('of the current context leaves it empty, and not the one before', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient('p1')]);
    trial.accepted('Patient-open', [patient('p2')]);
    trial.accepted('Patient-close', [patient('p2')]);
    assert.equal(trial.state.current, undefined);
    assert.deepEqual([...trial.state.anchors.keys()], ['Patient/p1']);
  });

  it('of another anchor leaves the current context alone', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient('p1')]);
    trial.accepted('Patient-open', [patient('p2')]);
    trial.accepted('Patient-close', [patient('p1')]);
    assert.equal(trial.state.current, 'Patient/p2');
  });

  it('removes the content with the anchor', () => {
    const trial = reporting();
    update(trial, [put(observation('o1'))]);
    trial.accepted('DiagnosticReport-close', [report(), patient()]);
    trial.accepted('DiagnosticReport-open', [report(), patient()]);
    assert.deepEqual(trial.content('DiagnosticReport/r1'), []);
  });
});

describe('PUB-10', () => {
  it('Home-open empties the current context and leaves anchors open', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient()]);
    const home = trial.accepted('Home-open', []);
    assert.equal(trial.state.current, undefined);
    assert.deepEqual([...trial.state.anchors.keys()], ['Patient/p1']);
    assert.equal(home.event['context.versionId'], 'v2');
    assert.equal(trial.state.home?.opening.id, home.id);
    trial.accepted('Patient-open', [patient()]);
    assert.equal(trial.state.home, undefined);
  });

  it('UserLogout erases contexts and content, UserHibernate does not', () => {
    const trial = reporting();
    update(trial, [put(observation('o1'))]);
    trial.accepted('UserHibernate', [parameters]);
    assert.deepEqual(trial.content('DiagnosticReport/r1'), ['Observation/o1']);
    trial.accepted('UserLogout', [parameters]);
    assert.equal(trial.state.anchors.size, 0);
    assert.equal(trial.state.current, undefined);
  });
});

describe('PUB-11', () => {
  it('updates, selections and closes of what is not open are refused', () => {
    const trial = reporting();
    const other = reference('report', 'DiagnosticReport/r2');
    const version = { 'context.versionId': trial.version('DiagnosticReport/r1') };
    assert.equal(trial.refused('DiagnosticReport-update', [other, updates()], version), 'not-open');
    assert.equal(trial.refused('DiagnosticReport-select', [other]), 'not-open');
    assert.equal(trial.refused('DiagnosticReport-close', [report('r2'), patient()]), 'not-open');
    assert.equal(trial.refused('Patient-close', [patient()]), 'not-open');
  });

  it('the same id under another type is another anchor', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient('1')]);
    assert.equal(trial.refused('ImagingStudy-close', [study('1')]), 'not-open');
  });
});

describe('PUB-3', () => {
  it('events are numbered one after the other, refusals take no number', () => {
    const trial = new Trial();
    const numbers = [
      trial.publish('Patient-open', [patient()]),
      trial.publish('Patient-close', [patient('p2')]),
      trial.publish('org.example.x', [5]),
      trial.publish('SyncError', [operationOutcome]),
    ].map((decision) => (decision.ok ? eventOf(decision)?.number : 'refused'));
    assert.deepEqual(numbers, [1, 'refused', 2, 3]);
  });

  it('PUB-7 a retry changes nothing and names the entry to deliver again', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient()], { id: 'e1' });
    const before = trial.state;
    const known = { number: 1, fingerprint: 'f' };
    const again = trial.publish('Patient-open', [patient()], { id: 'e1' }, { known, fingerprint: 'f' });
    assert.equal(redelivered(again), 1);
    assert.equal(eventOf(again), undefined);
    assert.equal(trial.state, before);
  });

  it('PUB-7 a retry that a later context change has overtaken is not delivered', () => {
    const retry = (trial: Trial, event: string, number: number) =>
      trial.publish(event, [patient()], {}, { known: { number } });
    const replaced = new Trial();
    replaced.accepted('Patient-open', [patient()]);
    replaced.accepted('Patient-open', [patient('p2')]);
    const closed = new Trial();
    closed.accepted('Patient-open', [patient()]);
    closed.accepted('Patient-close', [patient()]);
    const home = new Trial();
    home.accepted('Patient-open', [patient()]);
    home.accepted('Home-open', []);
    for (const trial of [replaced, closed, home]) {
      const again = retry(trial, 'Patient-open', 1);
      assert.ok(again.ok && redelivered(again) === undefined);
    }
    const last = retry(closed, 'Patient-close', 2);
    assert.equal(redelivered(last), 2);
  });

  it('ERR-6 a SyncError is broadcast like any event and changes no context', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient()]);
    trial.accepted('SyncError', [operationOutcome]);
    assert.equal(trial.state.current, 'Patient/p1');
  });
});

describe('CON-2 an update', () => {
  it('of the current version is applied; what goes out has the new version, the prior one and the same Bundle', () => {
    const trial = reporting();
    const decision = update(trial, [put(observation('o1')), put(observation('o2'))]);
    const { event } = eventOf(decision)!.message;
    assert.equal(event['context.versionId'], 'v2');
    assert.equal(event['context.priorVersionId'], 'v1');
    assert.equal(event.context.find(({ key }) => key === 'updates')?.resource?.id, 'b1');
    assert.equal(trial.version('DiagnosticReport/r1'), 'v2');
    assert.deepEqual(trial.content('DiagnosticReport/r1'), ['Observation/o1', 'Observation/o2']);
  });

  it('of another version is refused whole', () => {
    for (const trial of [reporting(), reporting(IRA)]) {
      const version = { 'context.versionId': 'v0' };
      assert.equal(
        trial.refused('DiagnosticReport-update', [ANCHOR, updates(put(observation('o1')))], version),
        'version-conflict',
      );
      assert.deepEqual(trial.content('DiagnosticReport/r1'), []);
    }
  });

  it('without a version, or without a transaction Bundle, is refused', () => {
    const trial = reporting();
    assert.equal(trial.refused('DiagnosticReport-update', [ANCHOR, updates()]), 'invalid');
    const batch = { key: 'updates', resource: { resourceType: 'Bundle', type: 'batch' } };
    assert.equal(trial.refused('DiagnosticReport-update', [ANCHOR, batch], { 'context.versionId': 'v1' }), 'invalid');
  });

  it('CON-8 of one version by two: the second is refused', () => {
    const trial = reporting();
    const version = trial.version('DiagnosticReport/r1');
    assert.ok(update(trial, [put(observation('o1'))], version).ok);
    const second = update(trial, [put(observation('o2'))], version);
    assert.ok(!second.ok && second.code === 'version-conflict');
    assert.deepEqual(trial.content('DiagnosticReport/r1'), ['Observation/o1']);
  });

  it('CON-7 of an open anchor that is not current is accepted, and does not make it current', () => {
    const trial = reporting();
    trial.accepted('Patient-open', [patient('p2')]);
    assert.ok(update(trial, [put(observation('o1'))]).ok);
    assert.equal(trial.state.current, 'Patient/p2');
    assert.deepEqual([...trial.state.anchors.keys()], ['DiagnosticReport/r1', 'Patient/p2']);
  });

  it('is about its own anchor only', () => {
    const trial = reporting();
    trial.accepted('DiagnosticReport-open', [report('r2'), patient()]);
    assert.ok(update(trial, [put(observation('o1'))]).ok);
    assert.deepEqual(trial.content('DiagnosticReport/r2'), []);
    assert.equal(trial.version('DiagnosticReport/r2'), 'v2');
  });
});

describe('CON-3', () => {
  it('resources are distinguished by type and id', () => {
    const trial = reporting();
    update(trial, [put(observation('1')), put({ resourceType: 'Media', id: '1' })]);
    assert.deepEqual(trial.content('DiagnosticReport/r1'), ['Observation/1', 'Media/1']);
    update(trial, [remove('Media/1'), put(observation('1', 2))]);
    assert.deepEqual(trial.content('DiagnosticReport/r1'), ['Observation/1']);
    assert.equal(
      JSON.parse(trial.state.anchors.get('DiagnosticReport/r1')!.content.get('Observation/1')!.resource).valueInteger,
      2,
    );
  });

  it('a full URL names the resource that was put with it; removing what is not there does no harm', () => {
    const trial = reporting();
    update(trial, [put(observation('1'), 'urn:uuid:1')]);
    assert.ok(update(trial, [{ request: { method: 'DELETE' }, fullUrl: 'urn:uuid:2' }, remove('Media/9')]).ok);
    assert.deepEqual(trial.content('DiagnosticReport/r1'), ['Observation/1']);
    assert.ok(update(trial, [{ request: { method: 'DELETE' }, fullUrl: 'urn:uuid:1' }]).ok);
    assert.deepEqual(trial.content('DiagnosticReport/r1'), []);
  });

  it('one refused entry refuses the whole update', () => {
    const trial = reporting();
    const before = trial.state;
    const decision = update(trial, [put(observation('o1')), remove('Patient/p1')]);
    assert.equal(decision.ok, false);
    assert.equal(trial.state, before);
  });
});

describe('CON-4 resources of the opening context', () => {
  it('may be updated, never deleted, not even after an update', () => {
    const trial = reporting();
    assert.ok(update(trial, [put({ resourceType: 'ImagingStudy', id: 's1', status: 'available' }, 'urn:s1')]).ok);
    for (const entry of [
      remove('ImagingStudy/s1'),
      remove('DiagnosticReport/r1'),
      { request: { method: 'DELETE' }, fullUrl: 'https://x/fhir/Patient/p1' },
      { request: { method: 'DELETE' }, fullUrl: 'urn:s1' },
    ]) {
      const decision = update(trial, [entry]);
      assert.ok(!decision.ok && decision.code === 'fixed-context' && /opening context/.test(decision.reason));
    }
    assert.deepEqual(contextOf(trial.state.anchors.get('DiagnosticReport/r1')!.opening), [
      report(),
      patient(),
      study(),
    ]);
  });
});

describe('CON-7 a selection', () => {
  it('is broadcast for the current context and changes nothing', () => {
    const trial = reporting();
    const { anchors } = trial.state;
    const select = [ANCHOR, reference('select', 'Observation/o1')];
    assert.deepEqual(trial.accepted('DiagnosticReport-select', select).event.context, select);
    assert.equal(trial.state.anchors, anchors);
  });

  it('in another context is refused', () => {
    const trial = reporting();
    trial.accepted('Patient-open', [patient('p2')]);
    assert.equal(trial.refused('DiagnosticReport-select', [ANCHOR]), 'not-current');
    trial.accepted('Home-open', []);
    assert.equal(trial.refused('Patient-select', [reference('patient', 'Patient/p2')]), 'not-current');
  });
});

describe('SUB subscriptions', () => {
  it('SUB-7 are connected by their endpoint, for as long as their lease', () => {
    const trial = new Trial();
    trial.subscribe('a', { 'hub.lease_seconds': '3600' });
    assert.ok(trial.decide({ kind: 'connect', id: 'a', node: 'n' }).ok);
    assert.equal(trial.state.subscriptions.get('a')?.node, 'n');
    const before = trial.state;
    assert.ok(trial.decide({ kind: 'connect', id: 'a', node: 'n' }).ok);
    assert.equal(trial.state, before);
    assert.equal(trial.decide({ kind: 'connect', id: 'b', node: 'n' }).ok, false);
    trial.now = START + 3_600_000;
    const late = trial.decide({ kind: 'connect', id: 'a', node: 'n' });
    assert.ok(!late.ok && late.code === 'unknown-endpoint');
  });

  it('SUB-6 are renewed in place, and only where they exist', () => {
    const trial = new Trial();
    trial.subscribe('a', { 'hub.lease_seconds': '3600' });
    trial.subscribe('b', { 'hub.channel.endpoint': 'wss://x/a', 'hub.events': 'patient-open' });
    assert.deepEqual(trial.state.subscriptions.get('a')?.events, ['Patient-open']);
    assert.equal(trial.state.subscriptions.get('a')?.renewals, 1);
    const before = trial.state;
    assert.equal(trial.subscribe('c', { 'hub.channel.endpoint': 'wss://x/b' }).ok, false);
    assert.equal(trial.state, before);
  });

  it('SUB-9 end for good, with a reason', () => {
    const trial = new Trial();
    trial.subscribe('a', { 'hub.lease_seconds': '3600' });
    const decision = trial.decide({ kind: 'deny', ids: ['a', 'b'], reason: 'Unsubscribed' });
    assert.deepEqual(endedBy(decision), { ids: ['a'], reason: 'Unsubscribed' });
    assert.equal(trial.state.subscriptions.size, 0);
    assert.equal(trial.decide({ kind: 'deny', ids: ['a'], reason: 'x' }).ok, false);
    assert.equal(trial.decide({ kind: 'connect', id: 'a', node: 'n' }).ok, false);
  });

  it('SUB-5 whose lease passed unseen go when somebody else comes', () => {
    const trial = new Trial();
    trial.subscribe('a', { 'hub.lease_seconds': '1' });
    trial.subscribe('b');
    trial.now = START + 1000;
    const decision = trial.subscribe('c');
    assert.deepEqual(endedBy(decision)?.ids, ['a']);
    assert.deepEqual([...trial.state.subscriptions.keys()], ['b', 'c']);
  });
});

describe('ERR-2 a report', () => {
  it('is a SyncError for everybody but the one that caused it', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient()], { id: 'e1' });
    trial.join('a');
    const about = { id: 'e1', number: 1, originalId: 'e1', originalName: 'Patient-open', sentAt: trial.now };
    const made = { eventId: 's1', timestamp: 't' };
    const how = 'refused to follow it';
    const event = eventOf(trial.decide({ kind: 'answer', id: 'a', about, outcome: 'refused', how, ...made }));
    assert.equal(event?.except, 'a');
    assert.equal(event?.message.event['hub.event'], 'SyncError');
    assert.equal(event?.message.id, 's1');
  });
});

describe('PUB-12', () => {
  it('nothing that goes out looks like a denial or a confirmation', () => {
    const trial = new Trial();
    const message = trial.accepted('Patient-open', [patient()], { 'hub.mode': 'denied', 'hub.reason': 'x' });
    assert.deepEqual(Object.keys(message), ['timestamp', 'id', 'event']);
    assert.ok(!('hub.mode' in message.event) && !('hub.reason' in message.event));
  });
});
