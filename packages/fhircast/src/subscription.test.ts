import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { grantEvents, parseEventList, parseSubscription, Scopes } from './index.ts';

const FORM = {
  'hub.channel.type': 'websocket',
  'hub.mode': 'subscribe',
  'hub.topic': 't',
  'hub.events': 'Patient-open,Patient-close',
};

const read = (fields: Record<string, string>) => parseSubscription(Object.entries({ ...FORM, ...fields }));

function reason(fields: Record<string, string>): string {
  const result = read(fields);
  assert.equal(result.ok, false);
  return result.ok ? '' : result.reason;
}

describe('SUB-1 subscription form', () => {
  it('is read field by field', () => {
    const result = read({
      'hub.lease_seconds': '3600',
      'hub.channel.endpoint': 'wss://hub/ws/x\n',
      'subscriber.name': 'Acme',
      'subscriber.actors': '["x"]',
    });
    assert.deepEqual(result.ok && result.value, {
      mode: 'subscribe',
      channel: 'websocket',
      topic: 't',
      events: ['Patient-open', 'Patient-close'],
      leaseSeconds: 3600,
      endpoint: 'wss://hub/ws/x',
      subscriberName: 'Acme',
    });
  });

  it('SUB-2 names the field that is missing or wrong', () => {
    for (const field of Object.keys(FORM))
      assert.match(reason({ [field]: '' }), new RegExp(field.replaceAll('.', '\\.')));
    assert.match(reason({ 'hub.mode': 'denied' }), /hub\.mode/);
    assert.match(reason({ 'hub.channel.type': 'carrier-pigeon' }), /hub\.channel\.type/);
    assert.match(reason({ 'hub.events': 'Foo-open,,bar' }), /hub\.events/);
    assert.match(reason({ 'subscriber.name': 'x'.repeat(257) }), /subscriber\.name/);
  });

  it('refuses a field that appears twice, and an unknown one not at all', () => {
    for (const field of Object.keys(FORM)) {
      const twice = parseSubscription([...Object.entries(FORM), [field, 'x']]);
      assert.match(twice.ok ? '' : twice.reason, /more than once/);
      const emptyFirst = parseSubscription([[field, ''], ...Object.entries(FORM)]);
      assert.match(emptyFirst.ok ? '' : emptyFirst.reason, /more than once/);
    }
    assert.ok(parseSubscription([...Object.entries(FORM), ['x', '1'], ['x', '2'], ['__proto__', '3']]).ok);
  });

  it('refuses a lease that is not a positive decimal integer', () => {
    for (const lease of ['0', '-1', '1.5', '1e3', '0x10', 'x', '+5', '٣']) {
      assert.match(reason({ 'hub.lease_seconds': lease }), /hub\.lease_seconds/, lease);
    }
    const padded = read({ 'hub.lease_seconds': ' 007 ' });
    assert.equal(padded.ok && padded.value.leaseSeconds, 7);
    const endless = read({ 'hub.lease_seconds': '9'.repeat(400) });
    assert.equal(endless.ok && endless.value.leaseSeconds, Number.MAX_SAFE_INTEGER);
  });

  it('takes the numbers and nulls of JSON, and names a field that is something else', () => {
    const result = parseSubscription(Object.entries({ ...FORM, 'hub.lease_seconds': 60, 'subscriber.name': null }));
    assert.ok(result.ok && result.value.leaseSeconds === 60 && result.value.subscriberName === undefined);
    for (const [field, value] of [
      ['hub.events', ['Patient-open']],
      ['hub.topic', {}],
      ['subscriber.name', { name: 'x' }],
      ['hub.mode', true],
    ] as const) {
      const wrong = parseSubscription(Object.entries({ ...FORM, [field]: value }));
      assert.equal(wrong.ok || wrong.reason, `${field} must be a string`);
    }
  });

  it('WEB-2 takes a secret as it is, spaces too', () => {
    const webhook = { 'hub.channel.type': 'webhook', 'hub.callback': 'https://app.example/' };
    const result = read({ ...webhook, 'hub.secret': ' s\n' });
    assert.equal(result.ok && result.value.secret, ' s\n');
    const none = read({ ...webhook, 'hub.secret': ' ' });
    assert.ok(none.ok && none.value.secret === undefined);
  });

  it('takes the PowerCast family’s "hub.subscriber" for a name', () => {
    const result = read({ 'hub.subscriber': 'TestPowerCast', 'hub.callback': '' });
    assert.equal(result.ok && result.value.subscriberName, 'TestPowerCast');
    const both = read({ 'hub.subscriber': 'x', 'subscriber.name': 'y' });
    assert.equal(both.ok && both.value.subscriberName, 'y');
  });

  it('takes the viewers\' "hub.lease" and their callback beside a websocket', () => {
    const result = read({ 'hub.lease': '999', 'hub.callback': 'http://viewer/x' });
    assert.ok(result.ok && result.value.leaseSeconds === 999 && result.value.channel === 'websocket');
  });

  it('SUB-9 asks for no events to unsubscribe, and takes the misspelt "endpoint"', () => {
    const result = read({ 'hub.mode': 'unsubscribe', 'hub.events': '', endpoint: 'wss://hub/ws/x' });
    assert.ok(result.ok);
    assert.deepEqual(result.value.events, []);
    const lease = read({ 'hub.mode': 'unsubscribe', 'hub.lease_seconds': 'none', 'hub.lease': '-1' });
    assert.ok(lease.ok, 'STU2: its lease "MUST be ignored"');
    assert.equal(result.value.endpoint, 'wss://hub/ws/x');
    const both = read({ 'hub.mode': 'unsubscribe', endpoint: 'wss://wrong', 'hub.channel.endpoint': 'wss://right' });
    assert.equal(both.ok && both.value.endpoint, 'wss://right');
  });

  it('never throws', () => {
    const fields = fc.array(fc.tuple(fc.constantFrom(...Object.keys(FORM), 'hub.lease_seconds'), fc.string()));
    fc.assert(fc.property(fields, (list) => void parseSubscription(list)));
  });
});

describe('SUB-3 event lists', () => {
  it('are sets in the catalog spelling; what is no event is left out', () => {
    assert.deepEqual(parseEventList(' patient-OPEN, Patient-open ,syncerror,Foo-open,,org.Example.x,ORG.example.x'), [
      'Patient-open',
      'SyncError',
      'org.Example.x',
    ]);
  });

  it('hold * alone or not at all', () => {
    assert.deepEqual(parseEventList('Patient-open,*'), ['*']);
    assert.deepEqual(parseEventList('*-open'), []);
  });
});

describe('SUB-4 granted events', () => {
  it('are those asked for that a read scope covers', () => {
    const scopes = new Scopes('fhircast/patient-open.read fhircast/Encounter-open.write fhircast/SyncError.*');
    assert.deepEqual(grantEvents(['Patient-open', 'Encounter-open', 'SyncError', 'Home-open'], scopes), [
      'Patient-open',
      'SyncError',
    ]);
    assert.deepEqual(grantEvents(['Encounter-open'], scopes), []);
  });

  it('for * are everything that the scopes allow, each once', () => {
    assert.deepEqual(grantEvents(['*'], new Scopes('fhircast/*.read')), ['*']);
    const some = new Scopes('fhircast/Patient-open.read fhircast/patient-open.* fhircast/Home-open.write');
    assert.deepEqual(grantEvents(['*'], some), ['Patient-open']);
    assert.deepEqual(grantEvents(['*'], new Scopes('fhircast/*.write openid')), []);
  });

  it('are never more than asked for, and never what the scopes do not cover', () => {
    const name = fc.constantFrom('Patient-open', 'Patient-close', 'Encounter-open', 'SyncError', 'org.example.x');
    const scope = fc.tuple(fc.oneof(name, fc.constant('*')), fc.constantFrom('read', 'write', '*'));
    fc.assert(
      fc.property(fc.uniqueArray(name), fc.array(scope, { maxLength: 4 }), (asked, held) => {
        const granted = grantEvents(
          asked,
          new Scopes(held.map(([event, access]) => `fhircast/${event}.${access}`).join(' ')),
        );
        const covered = (event: string) =>
          held.some(([of, access]) => (of === '*' || of === event) && access !== 'write');
        assert.deepEqual(granted, asked.filter(covered));
      }),
    );
  });
});
