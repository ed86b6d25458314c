import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type EventMessage, FOLLOWING_EVENT } from '@lockstep/fhircast';
import { encounter, parameters, patient, report, request, study } from '../../test/events.ts';
import { Delivery } from '../live/delivery.ts';
import { afterSending, type Interest, newInterest, selected } from './audience.ts';
import { deriveOpens, originalIds } from './derived-opens.ts';

const message = (event: string, context: readonly unknown[], id = 'e1'): EventMessage => ({
  ...request(event, context, { id, 'context.versionId': 'v1' }).message,
});

const opened = message('DiagnosticReport-open', [report(), study('s1'), study('s2'), encounter(), patient()]);

let number = 0;
function delivery(event: EventMessage, leavesNothing = false): Delivery {
  number += 1;
  const [name, text] = [event.event['hub.event'], JSON.stringify(event)];
  return new Delivery({ number, id: event.id, name, text, ...(leavesNothing && { leavesNothing }) });
}

/** What one subscriber is sent, one event after another. */
class Reader {
  #interest: Interest;

  constructor(events: readonly string[], derivesOpens = true) {
    this.#interest = newInterest(events, derivesOpens);
  }

  /** @returns ids of what it is sent for the event */
  take(event: EventMessage, leavesNothing = false): readonly string[] {
    const offer = delivery(event, leavesNothing);
    const sent = selected(this.#interest, offer);
    for (const one of sent) this.#interest = afterSending(this.#interest, one, offer);
    return sent.map(({ id }) => id);
  }
}

function interest(...events: string[]): Reader {
  return new Reader(events);
}

const names = (one: Reader, event: EventMessage): readonly string[] => one.take(event);

describe('DER-1 derived opens', () => {
  it('are one for each resource of the context but the anchor, general ones first', () => {
    assert.deepEqual(
      deriveOpens(opened, 'DiagnosticReport').map(({ name, resourceId }) => `${name} ${resourceId}`),
      ['Patient-open p1', 'Encounter-open n1', 'ImagingStudy-open s1', 'ImagingStudy-open s2'],
    );
  });

  it('have the keys of their own definition, the patient too where it has one', () => {
    const [ofPatient, ofEncounter, ofStudy] = deriveOpens(opened, 'DiagnosticReport').map(
      ({ message: derived }) => derived,
    );
    assert.deepEqual(ofPatient?.event.context, [patient()]);
    assert.deepEqual(ofEncounter?.event.context, [encounter(), patient()]);
    assert.deepEqual(ofStudy?.event.context, [study('s1'), encounter(), patient()]);
  });

  it('have the original timestamp, topic and version, and an id of their own that maps to it', () => {
    const derived = deriveOpens(opened, 'DiagnosticReport');
    for (const { message: one, name } of derived) {
      assert.equal(one.timestamp, opened.timestamp);
      assert.equal(one.event['hub.topic'], opened.event['hub.topic']);
      assert.equal(one.event['hub.event'], name);
      assert.equal(one.event['context.versionId'], 'v1');
      assert.ok(originalIds(one.id).includes('e1'));
    }
    assert.equal(new Set([opened.id, ...derived.map(({ message: one }) => one.id)]).size, 5);
    const [marked] = deriveOpens({ ...opened, id: 'a~b~c' }, 'DiagnosticReport');
    assert.ok(originalIds(marked?.message.id ?? '').includes('a~b~c'));
    assert.deepEqual(originalIds('e1'), []);
  });

  it('leave out what lacks a required key, and what is no resource with an id', () => {
    const odd = [
      study(),
      { key: 'x', resource: { resourceType: 'Patient', id: 7 } },
      { key: 'y', resource: null },
      encounter(),
    ];
    // An Encounter-open needs a patient.
    assert.deepEqual(deriveOpens(message('ImagingStudy-open', odd), 'ImagingStudy'), []);
    const list = { key: 'list', resource: { resourceType: 'List', id: 'l' } };
    const foo = { key: 'foo', resource: { resourceType: 'Foo', id: 'f' } };
    assert.deepEqual(
      deriveOpens(message('Patient-open', [patient(), list, foo]), 'Patient').map(({ name }) => name),
      ['List-open'],
    );
  });

  it('go to who is subscribed to them and not to the original', () => {
    assert.deepEqual(names(interest('Patient-open'), opened), ['e1~Patient.p1']);
    assert.deepEqual(names(interest('patient-open', 'ImagingStudy-open'), opened), [
      'e1~Patient.p1',
      'e1~ImagingStudy.s1',
      'e1~ImagingStudy.s2',
    ]);
    assert.deepEqual(names(interest('Patient-close', 'DiagnosticReport-close'), opened), []);
  });
});

describe('DER-2', () => {
  it('DER-2 who gets the original gets nothing derived from it', () => {
    assert.deepEqual(names(interest('DiagnosticReport-open', 'Patient-open'), opened), ['e1']);
    assert.deepEqual(names(interest('*'), opened), ['e1']);
  });

  it('DER-2 the same resource twice in a row is not sent again, another one is', () => {
    const one = interest('Patient-open');
    const next = (id: string, p: string) => message('DiagnosticReport-open', [report(id), patient(p)], id);
    assert.deepEqual(names(one, next('a', 'p1')), ['a~Patient.p1']);
    assert.deepEqual(names(one, next('b', 'p1')), []);
    assert.deepEqual(names(one, next('c', 'p2')), ['c~Patient.p2']);
    assert.deepEqual(names(one, next('d', 'p1')), ['d~Patient.p1']);
  });

  it('DER-2 in a row is without another context between: the resource is sent again after one of another patient', () => {
    const of = (p: string, id: string) => message('DiagnosticReport-open', [report(id), patient(p)], id);
    for (const between of [
      message('Encounter-open', [encounter('n2'), patient('p2')], 'b'),
      message('ImagingStudy-open', [study('s2'), patient('p2')], 'b'),
      // A study that does not name its patient may be of another.
      message('ImagingStudy-open', [study('s3'), encounter('n3')], 'b'),
    ]) {
      const one = interest('Patient-open', 'Encounter-open', 'ImagingStudy-open');
      assert.deepEqual(names(one, of('p1', 'a')), ['a~Patient.p1']);
      assert.deepEqual(names(one, between), ['b']);
      assert.deepEqual(names(one, of('p1', 'c')), ['c~Patient.p1'], between.event['hub.event']);
    }
  });

  it('DER-2 a context of the same patient between does not have it sent again', () => {
    const one = interest('Patient-open', 'Encounter-open');
    assert.deepEqual(names(one, message('DiagnosticReport-open', [report('a'), patient('p1')], 'a')), ['a~Patient.p1']);
    assert.deepEqual(names(one, message('Encounter-open', [encounter('n1'), patient('p1')], 'b')), ['b']);
    assert.deepEqual(names(one, message('DiagnosticReport-open', [report('c'), patient('p1')], 'c')), []);
  });

  it('an open that was sent as such counts; it is always sent itself', () => {
    const one = interest('Patient-open');
    assert.deepEqual(names(one, message('Patient-open', [patient('p1')], 'a')), ['a']);
    assert.deepEqual(names(one, message('Patient-open', [patient('p1')], 'b')), ['b']);
    assert.deepEqual(names(one, message('DiagnosticReport-open', [report(), patient('p1')], 'c')), []);
  });

  it('after its close the resource is sent again; the close of another changes nothing', () => {
    const one = interest('Patient-open', 'Patient-close');
    const open = (id: string) => message('DiagnosticReport-open', [report(id), patient('p1')], id);
    assert.deepEqual(names(one, open('a')), ['a~Patient.p1']);
    one.take(message('Patient-close', [patient('p2')]));
    assert.deepEqual(names(one, open('b')), []);
    one.take(message('Patient-close', [patient('p1')]));
    assert.deepEqual(names(one, open('c')), ['c~Patient.p1']);
  });

  it('DER-2 closes are not derived', () => {
    const closed = message('DiagnosticReport-close', [report(), patient()]);
    assert.deepEqual(names(interest('Patient-close', 'Patient-open'), closed), []);
  });

  it('DER-2 who asks who follows is sent Home-open for what leaves no context current and it did not subscribe to; nobody else is', () => {
    const closed = message('ImagingStudy-close', [study(), patient()], 'a');
    const loggedOut = message('UserLogout', [parameters], 'a');
    const home = ['a~Home-open'];
    const all = ['Patient-open', 'Patient-close', 'Home-open', FOLLOWING_EVENT];
    for (const [event, subscribed, sent] of [
      [closed, all, home],
      [closed, ['home-open', FOLLOWING_EVENT], home],
      [closed, ['Patient-open', 'Patient-close', 'Home-open'], []],
      [closed, ['Home-open', 'org.lockstep.survey'], []],
      [closed, [...all, 'imagingstudy-close'], ['a']],
      [closed, ['*'], ['a']],
      [closed, ['Patient-open', 'Patient-close', FOLLOWING_EVENT], []],
      [loggedOut, all, home],
      [loggedOut, ['Patient-open', 'Home-open'], []],
      [loggedOut, [...all, 'UserLogout'], ['a']],
      [loggedOut, ['Patient-open'], []],
    ] as const) {
      const take = (leavesNothing: boolean, derives: boolean) =>
        new Reader(subscribed, derives).take(event, leavesNothing);
      assert.deepEqual(take(true, true), sent, `${event.event['hub.event']}, ${subscribed}`);
      const itself = sent === home ? [] : sent;
      assert.deepEqual(take(false, true), itself, 'another context is current still');
      assert.deepEqual(take(true, false), itself, 'a Hub that derives nothing');
    }
  });

  it('DER-2 after that Home-open, what was open before is sent again', () => {
    const one = interest('Patient-open', 'Home-open', FOLLOWING_EVENT);
    const opens = (id: string) => message('ImagingStudy-open', [study(id), patient('p1')], id);
    assert.deepEqual(one.take(opens('a')), ['a~Patient.p1']);
    assert.deepEqual(one.take(message('ImagingStudy-close', [study('a'), patient('p1')], 'b'), true), ['b~Home-open']);
    assert.deepEqual(one.take(opens('c')), ['c~Patient.p1']);
  });

  it('ira: nothing is derived', () => {
    const one = new Reader(['Patient-open'], false);
    assert.deepEqual(names(one, opened), []);
  });
});
