/** Everybody returns at once, as after a network has failed: how long it takes, and what others feel of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { median, percentile } from './measure.ts';
import { type Program, startBareFloor, startLockstep } from './program.ts';
import type { Row, Scenario, Section } from './scenario.ts';
import { subscribe } from './subscriber.ts';
import { Backend, forEach } from './target.ts';

const SESSIONS = 500;
const SOCKETS = 2_000;

/** Returns that are measured one after the other, each in turn with the floor. */
const ROUNDS = 5;

/** ms between two events of the other session. */
const PACE = 5;

/** ms for which the other session is measured alone, and for which the subscribers stay away: within the hold-off (ERR-3). */
const ALONE = 3_000;
const AWAY = 300;

function patientOpen(topic: string, id: string): string {
  const resource = { resourceType: 'Patient', id };
  const event = { 'hub.topic': topic, 'hub.event': 'Patient-open', context: [{ key: 'patient', resource }] };
  return JSON.stringify({ timestamp: new Date().toISOString(), id, event });
}

/** @returns ms until the event was answered */
async function publish(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<number> {
  const startedAt = performance.now();
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body,
  });
  await response.arrayBuffer();
  if (response.status !== 202) throw new Error(`An event was answered ${response.status}`);
  return performance.now() - startedAt;
}

/** A program that subscribers return to. */
interface Returned {
  readonly label: string;
  readonly urls: readonly string[];
  /** Whether a subscriber is back with its first message, and not with the answer to its upgrade already. */
  readonly greets: boolean;
  publish(): Promise<number>;
  sockets: readonly Socket[];
}

/** Connects all of them at once. @returns when all are back: connected, and sent what they are greeted with */
async function connectAll({ urls, greets }: Returned): Promise<readonly Socket[]> {
  return Promise.all(
    urls.map(async (url) => {
      let greeted = (): void => undefined;
      const greeting = new Promise<void>((resolve) => {
        greeted = resolve;
      });
      const socket = await subscribe(url, () => greeted());
      if (greets) await greeting;
      return socket;
    }),
  );
}

/** Publishes to another session until it is stopped. @returns ms of each */
async function keepOn(one: Returned, goesOn: () => boolean): Promise<readonly number[]> {
  const times: number[] = [];
  for (; goesOn(); await wait(PACE)) times.push(await one.publish());
  return times;
}

interface Storm {
  /** s until all were back. */
  readonly seconds: number;
  /** ms of the other session's events meanwhile. */
  readonly times: readonly number[];
}

async function cutAndReturn(one: Returned): Promise<Storm> {
  for (const socket of one.sockets) socket.destroy();
  await wait(AWAY);
  let on = true;
  const publishing = keepOn(one, () => on);
  const startedAt = performance.now();
  one.sockets = await connectAll(one);
  const seconds = (performance.now() - startedAt) / 1000;
  on = false;
  return { seconds, times: await publishing };
}

async function prepareLockstep({ origin }: Program): Promise<Returned> {
  const backend = await Backend.register(origin);
  const topics = await forEach(SESSIONS, (index) => backend.session(`Practitioner/${index}`));
  const url = `${origin.replace('//localhost:', '//127.0.0.1:')}/hub`;
  await forEach(SESSIONS, (index) =>
    publish(url, backend.headers, patientOpen(topics[index] ?? '', `standing-${index}`)),
  );
  const endpoints = await forEach(SOCKETS, (index) => backend.subscribe(topics[index % SESSIONS] ?? ''));
  const urls = endpoints.map((endpoint, index) => `${endpoint}?since=standing-${index % SESSIONS}`);
  const other = await backend.session('Practitioner/other');
  await backend.renew();
  const one: Returned = {
    label: 'Lockstep',
    urls,
    greets: true,
    publish: () => publish(url, backend.headers, patientOpen(other, crypto.randomUUID())),
    sockets: [],
  };
  one.sockets = await connectAll(one);
  return one;
}

async function prepareFloor({ origin }: Program): Promise<Returned> {
  const topics = Array.from({ length: SESSIONS }, () => crypto.randomUUID());
  const one: Returned = {
    label: 'floor',
    urls: Array.from({ length: SOCKETS }, (_, index) => `${origin.replace('http', 'ws')}/${topics[index % SESSIONS]}`),
    greets: false,
    publish: () => publish(`${origin}/`, {}, patientOpen('other', crypto.randomUUID())),
    sockets: [],
  };
  one.sockets = await connectAll(one);
  return one;
}

function rowOf(label: string, storms: readonly Storm[]): Row {
  const times = storms.flatMap(({ times }) => times).sort((a, b) => a - b);
  return {
    label,
    values: {
      back: median(storms.map(({ seconds }) => seconds)),
      worst: Math.max(...storms.map(({ seconds }) => seconds)),
      p50: median(times),
      p99: percentile(times, 0.99),
    },
  };
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  const programs: Program[] = [];
  try {
    const [floorProgram, lockstepProgram] = [await startBareFloor(), await startLockstep(data)];
    programs.push(floorProgram, lockstepProgram);
    say(`${SOCKETS} subscribers of ${SESSIONS} sessions: connecting`);
    const both = [await prepareFloor(floorProgram), await prepareLockstep(lockstepProgram)];
    const alone = new Map<Returned, Storm>();
    for (const one of both) {
      let on = true;
      setTimeout(() => (on = false), ALONE);
      alone.set(one, { seconds: 0, times: await keepOn(one, () => on) });
    }
    const storms = new Map<Returned, Storm[]>(both.map((one) => [one, []]));
    for (let round = 1; round <= ROUNDS; round++) {
      say(`return ${round} of ${ROUNDS}`);
      for (const one of both) storms.get(one)?.push(await cutAndReturn(one));
    }
    for (const { sockets } of both) for (const socket of sockets) socket.destroy();
    const rows = both.flatMap((one) => [
      rowOf(`${one.label}, nobody returns`, [alone.get(one) ?? { seconds: 0, times: [] }]),
      rowOf(`${one.label}, all return`, storms.get(one) ?? []),
    ]);
    const [, floor, , lockstep] = rows;
    return [
      {
        title: 'Everybody returns at once',
        note:
          `${SOCKETS} sockets of ${SESSIONS} sessions are cut and return ${AWAY} ms later, all at once, with \`?since=\`: until the last ` +
          `has its confirmation (at the floor: its upgrade), ${ROUNDS} times in turn. Another session's events are timed one by one ` +
          'meanwhile, each from its POST to its answer. The load generator shares the machine.',
        columns: [
          { key: 'back', title: 'all back, s', digits: 2 },
          { key: 'worst', title: 'worst, s', digits: 2 },
          { key: 'p50', title: 'events: p50 ms', digits: 1 },
          { key: 'p99', title: 'p99 ms', digits: 1 },
        ],
        rows,
        goals: [
          { what: 'all are back', reached: lockstep?.values.worst ?? 0, limit: 5, unit: 's' },
          {
            what: 'another session’s event meanwhile, p99',
            reached: lockstep?.values.p99 ?? 0,
            limit: 250,
            unit: 'ms',
          },
          {
            what: 'all are back, against the floor',
            reached: (lockstep?.values.back ?? 0) / (floor?.values.back ?? 1),
            limit: 10,
            unit: '×',
          },
        ],
      },
    ];
  } finally {
    await Promise.all(programs.map((program) => program.stop()));
    await rm(data, { recursive: true });
  }
}

export const storm: Scenario = { name: 'storm', run };
