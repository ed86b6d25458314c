import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { ApiError, refused, told, words } from './api.ts';
import { speak } from './language/testing.ts';

afterEach(() => speak('en', 'en-GB'));

test('a refusal says in the language of the person what it means; what the server said is beside it, not in it', () => {
  const refusal = refused(404, 'There is no such app.', 'invalid_request');
  assert.deepEqual(told(refusal), { text: 'There is no such app.' });
  speak('de', 'de-DE');
  assert.equal(words(refusal), 'Das gibt es nicht, oder nicht mehr.');
  assert.deepEqual(
    told(refusal, (said) => `Nicht gestartet: ${said}`),
    { text: 'Nicht gestartet: Das gibt es nicht, oder nicht mehr.', details: 'There is no such app.' },
  );
  assert.match(words(refused(401, 'x', 'second_factor_required')), /^Ein Code der Authenticator-App wird gebraucht\./);
});

test('every status that the server refuses with has words of its own; others have those of a refusal', () => {
  speak('de', 'de-DE');
  const statuses = [400, 401, 403, 404, 409, 410, 412, 413, 422, 429, 500, 502, 503];
  const said = statuses.map((status) => words(refused(status, 'said')));
  assert.equal(new Set(said).size, statuses.length);
  for (const text of said) assert.match(text, /^\p{L}.+\.$/u);
  assert.deepEqual(told(refused(418, 'said')), { text: 'Der Server hat das abgelehnt.', details: 'said' });
  assert.equal(words(refused(404, undefined)), 'Der Server antwortete mit 404.');
  assert.equal(words(new ApiError(0, 'Ohne Server')), 'Ohne Server');
  assert.deepEqual(told('text'), { text: 'text' });
});
