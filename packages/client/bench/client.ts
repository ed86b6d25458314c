/**
 * node scripts/run.mjs --expose-gc packages/client/bench/client.ts [--kills N]
 * What the client costs an application: CPU per event, memory over 100,000 events, and how soon it is back in sync after
 * the Hub was killed. Prints one JSON object.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Standing, Subscriber, syncState } from '../src/index.ts';
import { Backend } from '../test/real-hub.ts';
import { VirtualNetwork } from '../test/virtual.ts';

const EVENTS = 100_000;
const { values } = parseArgs({ options: { kills: { type: 'string', default: '100' } } });

function heap(): number {
  if (!globalThis.gc) throw new Error('run with --expose-gc');
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

/** A subscriber on a network without delays whose frames are fed by hand: nothing but the client's own work is measured. */
async function events(): Promise<object> {
  const network = new VirtualNetwork();
  const { hub, clock } = network;
  const subscriber = network.subscriber({
    events: ['Patient-open', 'DiagnosticReport-open', 'DiagnosticReport-update'],
  });
  let handled = 0;
  subscriber.on('*', () => {
    handled++;
  });
  void subscriber.connect();
  await clock.until(() => subscriber.state.status === 'in-sync');
  hub.openReport('r1', clock.now());
  await clock.until(() => subscriber.state.status === 'in-sync' && subscriber.context !== undefined);
  // The Hub's side stays out of the measurement: answers go nowhere, frames are made before the clock starts.
  hub.hear = () => {};
  const [socket] = network.sockets;
  if (!socket) throw new Error('no socket');
  let answers = 0;
  socket.send = () => {
    answers++;
  };
  let version = hub.contexts.get('DiagnosticReport/r1')?.version ?? '';
  const filler = { status: 'preliminary', note: [{ text: 'x'.repeat(500) }] };
  const frame = (at: number): string => {
    const next = `${version.split('+')[0]}+${at}`;
    const timestamp = new Date(clock.now() + at).toISOString();
    const resource = { resourceType: 'Observation', id: `o${at % 50}`, valueInteger: at, ...filler };
    const updates = { resourceType: 'Bundle', type: 'transaction', entry: [{ request: { method: 'PUT' }, resource }] };
    const event = {
      'hub.topic': hub.topic,
      'hub.event': 'DiagnosticReport-update',
      'context.priorVersionId': version,
      'context.versionId': next,
      context: [
        { key: 'report', reference: { reference: 'DiagnosticReport/r1' } },
        { key: 'updates', resource: updates },
      ],
    };
    version = next;
    return JSON.stringify({ timestamp, id: `e${at}`, event });
  };
  const batch = 5000;
  const memory: number[] = [];
  let cpu = 0;
  for (let done = 0; done < EVENTS; done += batch) {
    const frames = Array.from({ length: batch }, (_, at) => frame(done + at));
    const before = process.cpuUsage();
    for (const text of frames) socket.inject(text);
    const used = process.cpuUsage(before);
    cpu += used.user + used.system;
    frames.length = 0;
    memory.push(heap());
  }
  if (handled < EVENTS || answers < EVENTS) throw new Error(`only ${handled} handled, ${answers} answered`);
  if (subscriber.content?.size !== 50) throw new Error('the content is not what was sent');
  const mb = (bytes: number | undefined) => Math.round(((bytes ?? 0) / 1e6) * 100) / 100;
  return {
    events: EVENTS,
    cpuMicrosecondsPerEvent: Math.round((cpu / EVENTS) * 10) / 10,
    bytesPerFrame: frame(EVENTS).length,
    heapMbAfter5000: mb(memory[0]),
    heapMbAfter50000: mb(memory[Math.floor(memory.length / 2)]),
    heapMbAtEnd: mb(memory.at(-1)),
  };
}

let failedStarts = 0;
/** The Hub must not outlive a run that is stopped. */
let running: ChildProcess | undefined;
process.on('exit', () => running?.kill('SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** A Lockstep process of its own; one that fails while it starts is started again, and counted. */
async function lockstep(port: string, data: string): Promise<{ child: ChildProcess; port: string }> {
  for (;;) {
    const started = await start(port, data);
    if (started) return started;
    failedStarts++;
    if (failedStarts > 20) throw new Error('Lockstep does not start');
  }
}

async function start(port: string, data: string): Promise<{ child: ChildProcess; port: string } | undefined> {
  const main = fileURLToPath(new URL('../../server/src/main.ts', import.meta.url));
  const env = {
    ...process.env,
    PORT: port,
    LOCKSTEP_DATA: data,
    LOCKSTEP_LOG_LEVEL: 'error',
    LOCKSTEP_RATE_LIMIT: '0',
  };
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  running = child;
  let said = '';
  for await (const part of child.stdout ?? []) {
    said += part;
    const ready = /ready at http:\/\/[^:]+:(\d+)/.exec(said)?.[1];
    if (ready) return { child, port: ready };
  }
  return undefined;
}

/** Kills the Hub with SIGKILL and measures from its return to the client's in-sync, through the client's own backoff. */
async function kills(count: number): Promise<object> {
  const data = mkdtempSync(join(tmpdir(), 'lockstep-bench-'));
  let { child, port } = await lockstep('0', data);
  const origin = `http://127.0.0.1:${port}`;
  const backend = new Backend(origin);
  const topic = await backend.begin();
  const subscriber = new Subscriber({
    hubUrl: `${origin}/hub`,
    topic,
    token: () => backend.token(),
    events: ['Patient-open'],
  });
  const inSync = () =>
    new Promise<void>((resolve) => {
      const stop = subscriber.onState((state) => {
        if (state.status !== 'in-sync') return;
        stop();
        resolve();
      });
    });
  const first = await subscriber.connect();
  if (first.status !== 'in-sync') throw new Error(JSON.stringify(first));
  const times: number[] = [];
  for (let kill = 0; kill < count; kill++) {
    // A Hub that dies again at once is another case: the client then waits longer and longer.
    await sleep(2100);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    const back = inSync();
    ({ child } = await lockstep(port, data));
    const from = performance.now();
    await back;
    times.push(performance.now() - from);
  }
  await subscriber.unsubscribe();
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
  rmSync(data, { recursive: true, force: true });
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0);
  return { kills: count, failedStarts, medianMs: at(0.5), p95Ms: at(0.95), worstMs: at(1) };
}

/** What one comparison of what is shown with the Hub's current context takes, µs: the median of blocks of a thousand. */
function comparison(): number {
  const current = { type: 'Patient', id: 'p0', versionId: 'v1' };
  const standing = (turn: number): Standing => ({
    shown: { ...current, id: `p${turn % 8}` },
    busy: '',
    refusal: undefined,
    name: 'Viewer',
    current,
    uncertainty: '',
    age: 1000,
    maxAge: 22_000,
    notFollowing: [],
  });
  const blocks: number[] = [];
  let inSync = 0;
  for (let block = 0; block < 200; block++) {
    const from = performance.now();
    for (let turn = 0; turn < 1000; turn++) if (syncState(standing(turn)).status === 'in-sync') inSync++;
    blocks.push(performance.now() - from);
  }
  if (inSync !== 200 * 125) throw new Error(`${inSync} were in sync`);
  // ms for a thousand are µs for one.
  return blocks.sort((a, b) => a - b)[blocks.length / 2] ?? 0;
}

const results = {
  ...(await events()),
  comparisonMicroseconds: comparison(),
  backInSync: await kills(Number(values.kills)),
};
console.log(JSON.stringify(results, null, 2));
