import '../language/testing.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldOf, initialFields, PRESETS, presetFields, problemsOf, specsFor, toBody } from './options.ts';

const OWN = initialFields(['IRA']);
const OTHER = { ...initialFields(['3.0.0']), kind: 'other' as const };

test('the Hub of this server needs nothing entered', () => {
  assert.deepEqual(problemsOf(OWN), {});
  assert.equal(OWN.spec, 'IRA');
  assert.deepEqual(specsFor('own', ['IRA']), ['IRA']);
  assert.equal(toBody(OWN).hub, 'own');
  assert.equal('token' in toBody({ ...OWN, token: 'x' }), false);
});

test('another Hub needs its address, access and sessions, and nothing is sent that is not asked for', () => {
  assert.deepEqual(Object.keys(problemsOf(OTHER)).sort(), ['token', 'topics', 'url']);
  const client = { ...OTHER, url: 'https://hub.example.com', access: 'client' as const, sessions: 'any' as const };
  assert.deepEqual(Object.keys(problemsOf(client)).sort(), ['clientId', 'secret', 'smart']);
  const whole = { ...client, clientId: 'suite', secret: 's', tokenUrl: 'https://hub.example.com/token', token: 'left' };
  assert.deepEqual(problemsOf(whole), {});
  const body = toBody(whole);
  assert.equal(body.clientId, 'suite');
  assert.equal('token' in body || 'topics' in body, false);
});

test('every preset of this Hub can be run as it is, and one for another Hub lacks only what nobody else knows', () => {
  for (const preset of PRESETS) {
    const fields = { ...initialFields(['3.0.0']), ...presetFields(preset, ['3.0.0']) };
    const missing = Object.keys(problemsOf(fields)).sort();
    assert.deepEqual(missing, fields.kind === 'own' ? [] : ['token', 'topics', 'url'], preset);
    assert.ok(specsFor(fields.kind, ['3.0.0']).includes(fields.spec), preset);
  }
  assert.equal(presetFields('quick', ['IRA']).spec, 'IRA');
  assert.equal(toBody({ ...initialFields([]), ...presetFields('safety', []) }).checks, 'safety');
});

test('an application needs a name; a factor is a number from 1 to 20', () => {
  const fields = { ...OWN, kind: 'subscriber' as const, slowness: 'fast', publicUrl: 'viewer' };
  assert.deepEqual(Object.keys(problemsOf(fields)).sort(), ['name', 'publicUrl', 'slowness']);
  assert.deepEqual(specsFor('subscriber', ['STU2']), ['3.0.0', 'IRA']);
});

test('a refusal shows at the field that it names', () => {
  assert.equal(fieldOf('url: an http or https address'), 'url');
  assert.equal(fieldOf('A run of yours is under way'), undefined);
});
