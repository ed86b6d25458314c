// Commits until the disk is full, prints the last revision acknowledged and what the store then does, waits until there is
// room again, and goes on.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { StoreUnavailable } from '@lockstep/store';
import { openSqlite } from '../src/index.ts';
import { WIDE } from './folder.ts';

const store = await openSqlite({ path: process.argv[2]!, log: WIDE });
const { sessions } = store;

const commit = (revision: number) =>
  sessions.commit({
    topic: 'topic',
    expected: revision,
    at: Date.now(),
    parts: new Map([['state', String(revision + 1)]]),
    append: [{ number: revision + 1, id: `event-${revision + 1}`, at: Date.now(), body: 'x'.repeat(10_000) }],
  });

const outcome = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'done',
    (error: unknown) => (error instanceof StoreUnavailable ? 'unavailable' : String(error)),
  );

let revision = 0;
let result = 'done';
while (result === 'done' && revision < 100_000) {
  result = await outcome(commit(revision));
  if (result === 'done') revision++;
}
console.log(`full ${revision} ${result}`);
// What is left of the room may do for some of the smallest writes.
let pings = 0;
let ping = 'done';
while (ping === 'done' && pings++ < 1_000) ping = await outcome(store.ping());
console.log(`ping ${ping}`);
console.log(`held ${(await sessions.load('topic'))?.parts.get('state')}`);
const room = spawnSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited']);
console.log(`room ${room.status}`);
console.log(`again ${await outcome(commit(revision))}`);
console.log(`ping ${await outcome(store.ping())}`);
await store.close();
