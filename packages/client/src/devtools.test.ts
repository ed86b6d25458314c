import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageRecorder } from './devtools.ts';

/** A connection whose messages the test brings in. */
class Wire extends EventTarget {
  readonly readyState = 1;
  binaryType = 'blob';
  readonly sent: string[] = [];

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {}

  bring(text: string): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: text }));
  }
}

function recorded(): { recorder: MessageRecorder; wire: Wire; at: (now: number) => void } {
  let now = 0;
  const wires: Wire[] = [];
  const Recorded = class extends Wire {
    constructor(_url: string) {
      super();
      wires.push(this);
    }
  };
  const recorder = new MessageRecorder(Recorded as never, () => now);
  new recorder.WebSocket('wss://hub');
  return {
    recorder,
    wire: wires[0]!,
    at: (time) => {
      now = time;
    },
  };
}

const event = (id: string): string =>
  JSON.stringify({ id, timestamp: '2026-01-01T00:00:00Z', event: { 'hub.event': 'Patient-open', context: [] } });

test('the recorder says how long each answer took, by the id of the event', () => {
  const { recorder, wire, at } = recorded();
  at(100);
  wire.bring(event('one'));
  at(110);
  wire.bring(event('two'));
  at(150);
  wire.send('{"id":"one","status":200}');
  at(170);
  wire.send('{"id":"two","status":"409"}');
  wire.send('{"id":"nobody","status":200}');
  assert.deepEqual(
    recorder.messages.map(({ direction, what, took }) => [direction, what, took]),
    [
      ['in', 'Patient-open', undefined],
      ['in', 'Patient-open', undefined],
      ['out', 'answer 200', 50],
      ['out', 'answer 409', 60],
      ['out', 'answer 200', undefined],
    ],
  );
  assert.equal(wire.sent.length, 3, 'everything goes on to the Hub');
});

test('the recorder takes whatever comes, keeps the newest 200 messages, and tells its watchers until they stop', () => {
  const { recorder, wire } = recorded();
  let told = 0;
  const stop = recorder.onMessage(() => {
    told += 1;
  });
  for (const text of ['', 'no json', 'null', '[]', '5', '{"event":5}', '{"event":{"hub.event":5}}', '{"id":5}']) {
    wire.bring(text);
  }
  assert.equal(told, 8);
  stop();
  for (let n = 0; n < 300; n += 1) wire.bring(event(`e${n}`));
  assert.equal(told, 8);
  assert.equal(recorder.messages.length, 200);
  assert.equal(recorder.messages[0]?.id, 'e100');
  wire.send('{"id":"e299","status":200}');
  assert.equal(recorder.messages.at(-1)?.took, 0);
});
