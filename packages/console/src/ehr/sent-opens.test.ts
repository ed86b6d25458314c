import assert from 'node:assert/strict';
import test from 'node:test';
import type { HubEvent, Subscriber } from '@lockstep/client';
import { SentOpens } from './sent-opens.ts';

const patient = (id: string) => ({ resourceType: 'Patient', id });
const turn = () => new Promise(setImmediate);

/** A subscriber of which the test says when the Hub takes an open, and when the event comes back. */
function opening(context?: { readonly type: string; readonly id: string }) {
  let take: (published: object) => void = () => undefined;
  let hear: (event: HubEvent) => void = () => undefined;
  const subscriber = {
    context,
    on: (_: '*', handler: typeof hear) => {
      hear = handler;
    },
    open: () =>
      new Promise<object>((resolve) => {
        take = resolve;
      }),
  };
  const opens = new SentOpens(subscriber as unknown as Subscriber);
  let over = false;
  void opens.open(patient('b'), {}).then(() => {
    over = true;
  });
  return {
    isOver: () => turn().then(() => over),
    take: () => take({ id: '1', timestamp: '' }),
    comeBack: (id = '1', mine = true) => hear({ id, mine } as HubEvent),
  };
}

test('HZ-1 an open that the Hub has taken is not over before it is back: until then another patient is on the screen', async () => {
  const { isOver, take, comeBack } = opening({ type: 'Patient', id: 'a' });
  assert.equal(await isOver(), false);
  take();
  comeBack('2');
  comeBack('1', false);
  assert.equal(await isOver(), false);
  comeBack();
  assert.equal(await isOver(), true);
});

test('HZ-1 an open whose event overtakes the answer, or that opens what is open, is over with the answer', async () => {
  const overtaken = opening();
  overtaken.comeBack();
  assert.equal(await overtaken.isOver(), false);
  overtaken.take();
  assert.equal(await overtaken.isOver(), true);

  const again = opening({ type: 'Patient', id: 'b' });
  assert.equal(await again.isOver(), false);
  again.take();
  assert.equal(await again.isOver(), true);
});
