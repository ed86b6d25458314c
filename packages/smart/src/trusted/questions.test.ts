import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Questions } from './questions.ts';

/** Questions whose answers come when the test says so. */
function held() {
  const clock = { time: 0, now: () => clock.time, after: () => () => undefined };
  const open: (() => void)[] = [];
  const send = () => new Promise<string>((resolve) => open.push(() => resolve('answered')));
  return { clock, open, send, questions: new Questions(clock) };
}

/** Until everything that could go on has. */
const settled = () => new Promise((resolve) => setImmediate(resolve));
const outcome = (asked: Promise<string>) => asked.catch((error: Error) => error.message);

test('REG-5 an issuer is asked about few tokens at once, and about the others in their turn', async () => {
  const { open, send, questions } = held();
  const asked = Array.from({ length: 300 }, () => outcome(questions.ask(send)));
  let most = 0;
  for (let answered = 0; answered < 300; answered += 1) {
    await settled();
    most = Math.max(most, open.length);
    open.shift()?.();
  }
  assert.deepEqual([...new Set(await Promise.all(asked))], ['answered']);
  assert.equal(most, 64);
});

test('REG-5 whoever asks when very many wait is told so at once, and who has waited too long as soon as a place is free', async () => {
  const { clock, open, send, questions } = held();
  const first = Array.from({ length: 64 }, () => outcome(questions.ask(send)));
  const waiting = Array.from({ length: 1000 }, () => outcome(questions.ask(send)));
  assert.match(await outcome(questions.ask(send)), /too many/);
  clock.time += 5000;
  for (const answer of open.splice(0)) answer();
  assert.deepEqual([...new Set(await Promise.all(first))], ['answered']);
  for (const one of await Promise.all(waiting)) assert.match(one, /before/);
  const later = Array.from({ length: 64 }, () => outcome(questions.ask(send)));
  await settled();
  assert.equal(open.length, 64, 'all places are free again');
  for (const answer of open.splice(0)) answer();
  assert.deepEqual([...new Set(await Promise.all(later))], ['answered']);
});

test('REG-5 a question that fails gives its place on', async () => {
  const { send, open, questions } = held();
  const fail = () => Promise.reject(new Error('no answer'));
  for (let round = 0; round < 200; round += 1) assert.equal(await outcome(questions.ask(fail)), 'no answer');
  const good = outcome(questions.ask(send));
  await settled();
  open[0]?.();
  assert.equal(await good, 'answered');
});
