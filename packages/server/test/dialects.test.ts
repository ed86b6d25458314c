/** Connectors that write a dialect, next to a subscriber of 3.0.0 that must never see it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  HubClient,
  type Json,
  json,
  observation,
  patient,
  put,
  report,
  sharedLockstep,
  study,
  updates,
} from './harness.ts';

const { origin } = await sharedLockstep();

const plain = () => HubClient.backend(origin);
const speaking = (switches: Json) => HubClient.backend(origin, undefined, { switches });

const OPEN = {
  'hub.event': 'DiagnosticReport-open',
  context: [
    {
      key: 'study',
      resource: {
        resourceType: 'ImagingStudy',
        id: 's1',
        identifier: [{ system: 'https://ris.example', value: 'A1' }],
      },
    },
  ],
};
const BOTH = 'DiagnosticReport-open,DiagnosticReport-close,DiagnosticReport-update,DiagnosticReport-select';

it('studyReports: an open with a study alone reaches 3.0.0 as report and study; without the dialect it is 400', async () => {
  const connector = await speaking({ dialects: ['studyReports'] });
  const topic = await connector.session('Practitioner/dialect-1');
  const viewer = await (await plain()).subscribe(topic, BOTH);
  await viewer.next();
  assert.equal((await (await plain()).publish(topic, OPEN['hub.event'], OPEN.context)).status, 400);
  assert.equal((await connector.publish(topic, OPEN['hub.event'], OPEN.context)).status, 202);
  const { event } = await viewer.event();
  assert.deepEqual(
    event.context.map(({ key, resource }: Json) => [key, resource.id]),
    [
      ['report', 'report-of-s1'],
      ['study', 's1'],
    ],
  );
});

it('studyReports: an update keeps its numbers, takes the current version, and of two at once one is refused', async () => {
  const connector = await speaking({ dialects: 'studyReports' });
  const reader = await plain();
  const topic = await connector.session('Practitioner/dialect-2');
  await reader.publish(topic, 'DiagnosticReport-open', [report('r1'), patient('p1'), study('s2')]);
  const { 'context.versionId': opened } = await reader.context(topic);
  const viewer = await reader.subscribe(topic, BOTH);
  assert.equal((await viewer.event()).event['hub.event'], 'DiagnosticReport-open');
  const body = (n: number): string =>
    `{"timestamp":"2026-01-01T00:00:0${n}Z","id":"dialect-update-${n}","event":{"hub.topic":"${topic}","hub.event":"DiagnosticReport-update","context":[{"key":"updates","resource":{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"POST","url":"Observation"},"resource":{"resourceType":"Observation","id":"o${n}","status":"final","valueQuantity":{"value":7.10}}}]}}]}}`;
  const post = (n: number) =>
    connector.request('', { method: 'POST', headers: { 'content-type': 'application/json' }, body: body(n) });
  const statuses = (await Promise.all([post(1), post(2), post(3)])).map(({ status }) => status).sort();
  assert.equal(statuses[0], 202);
  for (const status of statuses) assert.ok(status === 202 || status === 409, String(status));
  const { event } = await viewer.event();
  assert.deepEqual(event.context[0], { key: 'report', reference: { reference: 'DiagnosticReport/r1' } });
  assert.equal(event['context.priorVersionId'], opened);
  assert.match(await (await reader.request(`/${topic}`)).text(), /"value":7\.10\b/);
});

it('studyReports: PUB-7 the same update again is a retry, though the version has changed', async () => {
  const connector = await speaking({ dialects: 'studyReports' });
  const topic = await connector.session('Practitioner/dialect-3');
  await connector.publish(topic, 'DiagnosticReport-open', [report('r1'), patient('p1')]);
  const content = updates(put(observation('o1')));
  const updating = () =>
    connector.publish(topic, 'DiagnosticReport-update', [content], {
      id: 'again',
      timestamp: '2026-01-01T00:00:00Z',
    });
  assert.equal((await updating()).status, 202);
  const { 'context.versionId': version } = await connector.context(topic);
  assert.equal((await updating()).status, 202);
  assert.equal((await connector.context(topic))['context.versionId'], version);
});

it('studyReports: signing and a close that names the study', async () => {
  const connector = await speaking({ dialects: 'studyReports' });
  const reader = await plain();
  const topic = await connector.session('Practitioner/dialect-4');
  await reader.publish(topic, 'DiagnosticReport-open', [report('r1'), patient('p1'), study('s4')]);
  const signed = { resourceType: 'DiagnosticReport', id: 'r1', status: 'final', code: { text: 'CT' } };
  assert.equal(
    (await connector.publish(topic, 'DiagnosticReport-update', [{ key: 'report', resource: signed }])).status,
    202,
  );
  const { context } = await reader.context(topic);
  const content = context.find(({ key }: Json) => key === 'content').resource;
  assert.deepEqual(
    content.entry.map(({ resource }: Json) => resource),
    [signed],
  );
  assert.equal((await connector.publish(topic, 'DiagnosticReport-close', [study('s4')])).status, 202);
  assert.equal((await reader.context(topic))['context.type'], '');
});

it('ballotSelections: a list becomes references; without the dialect it is 400', async () => {
  const connector = await speaking({ dialects: ['ballotSelections'] });
  const reader = await plain();
  const topic = await connector.session('Practitioner/dialect-5');
  await reader.publish(topic, 'DiagnosticReport-open', [report('r1'), patient('p1')]);
  const viewer = await reader.subscribe(topic, 'DiagnosticReport-select');
  const context = [
    { key: 'report', reference: { reference: 'DiagnosticReport/r1' } },
    { key: 'select', resources: [{ resourceType: 'Observation', id: 'a' }] },
  ];
  assert.equal((await reader.publish(topic, 'DiagnosticReport-select', context)).status, 400);
  assert.equal((await connector.publish(topic, 'DiagnosticReport-select', context)).status, 202);
  const { event } = await viewer.event();
  assert.deepEqual(event.context[1], { key: 'select', reference: { reference: 'Observation/a' } });
});

it('participleNames: each side reads its own names', async () => {
  const connector = await speaking({ dialects: ['participleNames'] });
  const reader = await plain();
  const topic = await connector.session('Practitioner/dialect-6');
  const viewer = await reader.subscribe(topic, 'Patient-open,Patient-close');
  const old = await connector.subscribe(topic, 'Patient-opened,Patient-closed');
  assert.equal((await old.next())['hub.events'], 'Patient-opened,Patient-closed');
  assert.equal((await connector.publish(topic, 'Patient-opened', [patient('p1')])).status, 202);
  assert.equal((await viewer.event()).event['hub.event'], 'Patient-open');
  assert.equal((await old.event()).event['hub.event'], 'Patient-opened');
});

it("vendorEvents: a vendor's events reach only the clients registered for them", async () => {
  const names = ['annotation-update', 'status-request'];
  const one = await speaking({ vendorEvents: names });
  const two = await speaking({ vendorEvents: names });
  const topic = await one.session('Practitioner/dialect-7');
  const everything = await (await plain()).subscribe(topic, '*');
  const named = await two.subscribe(topic, 'Annotation-Update');
  const all = await two.subscribe(topic, '*');
  const context = [{ key: 'anything', data: { at: [1, 2] } }];
  assert.equal((await (await plain()).publish(topic, 'annotation-update', context)).status, 400);
  assert.equal((await one.publish(topic, 'annotation-update', context)).status, 202);
  for (const subscriber of [named, all]) {
    const { event } = await subscriber.event();
    assert.equal(event['hub.event'], 'annotation-update');
    assert.deepEqual(event.context, context);
  }
  await one.publish(topic, 'Patient-open', [patient('p1')]);
  assert.equal((await everything.event()).event['hub.event'], 'Patient-open', 'the first event that it gets');
});

it('what fits no rewrite of the dialect is 400 and names dialect and field', async () => {
  const connector = await speaking({ dialects: ['studyReports'] });
  const topic = await connector.session('Practitioner/dialect-8');
  const refused = await connector.publish(topic, 'DiagnosticReport-update', [updates(put(observation('o1')))]);
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /The dialect studyReports: event\.context, key "report": no report is current/);
});

it('a registration with a dialect that there is not is refused', async () => {
  const register = (switches: Json) =>
    fetch(`${origin}/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client_name: 'X', redirect_uris: ['https://app.example/cb'], switches }),
    });
  for (const switches of [{ dialects: ['klingon'] }, { vendorEvents: ['Patient-open'] }, { dialects: [7] }]) {
    const response = await register(switches);
    assert.equal(response.status, 400, JSON.stringify(switches));
    assert.match((await json(response)).error_description, /switches/);
  }
});

it('each dialect: what it cannot read is 400 with the dialect and the field, and reaches no subscriber', async () => {
  const plainEvents = { 'Patient-open': [], 'DiagnosticReport-close': [{ key: 'patient' }], 'Patient-opne': [] };
  const unfit: Readonly<Record<string, readonly [switches: Json, events: Readonly<Record<string, unknown[]>>]>> = {
    studyReports: [
      { dialects: ['studyReports'] },
      {
        'DiagnosticReport-open': [{ key: 'study', resource: { resourceType: 'ImagingStudy' } }],
        'DiagnosticReport-update': [updates()],
        'DiagnosticReport-close': [study('unknown')],
      },
    ],
    ballotSelections: [
      { dialects: ['ballotSelections'] },
      { 'DiagnosticReport-select': [{ key: 'select', resources: ['a'] }] },
    ],
    participleNames: [{ dialects: ['participleNames'] }, { 'Patient-opened': [{ key: 'patient' }] }],
    vendorEvents: [{ vendorEvents: ['dicom-send'] }, { 'dicom-receive': [] }],
  };
  const reader = await plain();
  for (const [name, [switches, events]] of Object.entries(unfit)) {
    const connector = await speaking(switches);
    const topic = await connector.session(`Practitioner/unfit-${name}`);
    const viewer = await reader.subscribe(topic, '*');
    for (const [event, context] of Object.entries({ ...plainEvents, ...events })) {
      const response = await connector.publish(topic, event, context);
      const reason = await response.text();
      assert.equal(response.status, 400, `${name}: ${event}`);
      assert.match(reason, new RegExp(name), event);
      assert.match(reason, /event\.|context key/, event);
    }
    assert.equal((await reader.publish(topic, 'Patient-open', [patient('p1')], { id: `after-${name}` })).status, 202);
    assert.equal((await viewer.event()).id, `after-${name}`);
    await viewer.close();
  }
});
