import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { ApiError, refused, words } from './api.ts';
import { speak } from './language/testing.ts';

afterEach(() => speak('en', 'en-GB'));

test('a refusal says in the language of the person what it means, and what the server said', () => {
  const refusal = refused(404, 'There is no such app.', 'invalid_request');
  assert.equal(words(refusal), 'There is no such app.');
  speak('de', 'de-DE');
  assert.equal(words(refusal), 'Das gibt es nicht, oder nicht mehr. (There is no such app.)');
  assert.match(words(refused(401, 'x', 'second_factor_required')), /^Ein Code der Authenticator-App wird gebraucht\./);
});

test('every status that the server refuses with has words; of others its own are left', () => {
  speak('de', 'de-DE');
  for (const status of [400, 401, 403, 404, 409, 410, 412, 413, 422, 429, 500, 502, 503]) {
    assert.match(words(refused(status, 'said')), /^\p{L}.+ \(said\)$/u, String(status));
  }
  assert.equal(words(refused(418, 'said')), 'said');
  assert.equal(words(refused(404, undefined)), 'Der Server antwortete mit 404.');
  assert.equal(words(new ApiError(0, 'Ohne Server')), 'Ohne Server');
  assert.equal(words('text'), 'text');
});
