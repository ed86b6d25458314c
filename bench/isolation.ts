/** Whether one subscriber that returns to a large backlog is felt by another session, and what it holds in memory. */
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { RedisProcess } from '@lockstep/store-redis/testing';
import { WebSocket } from 'ws';
import { median, percentile, residentBytes } from './measure.ts';
import { type Program, startServer } from './program.ts';
import type { Row, Scenario, Section } from './scenario.ts';
import { Backend } from './target.ts';

/** The backlog: events, and characters of each. */
const EVENTS = 125;
const SIZE = 960_000;

/** ms between two events of the other session. */
const PACE = 4;
/** ms for which the other session is measured alone, and beside a subscriber that reads nothing. */
const ALONE = 3_000;
const STALLED = 3_000;

/** ms that the server has to itself after a return. */
const SETTLE = 1_000;

/** Returns that are measured one after the other. */
const RETURNS = 3;

function patientOpen(topic: string, id: string, characters: number): string {
  const text = { status: 'generated', div: `<div>${'x'.repeat(characters)}</div>` };
  const patient = { resourceType: 'Patient', id: `p-${id}`, text };
  const event = { 'hub.topic': topic, 'hub.event': 'Patient-open', context: [{ key: 'patient', resource: patient }] };
  return JSON.stringify({ timestamp: new Date().toISOString(), id, event });
}

function patientClose(topic: string, id: string, of: string): string {
  const context = [{ key: 'patient', resource: { resourceType: 'Patient', id: `p-${of}` } }];
  const event = { 'hub.topic': topic, 'hub.event': 'Patient-close', context };
  return JSON.stringify({ timestamp: new Date().toISOString(), id, event });
}

class Publisher {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** @returns ms until the event was accepted */
  async publish(body: string): Promise<number> {
    const startedAt = performance.now();
    const response = await fetch(`${this.#backend.origin}/hub`, {
      method: 'POST',
      headers: { ...this.#backend.headers, 'content-type': 'application/json' },
      body,
    });
    await response.arrayBuffer();
    if (response.status !== 202) throw new Error(`An event was answered ${response.status}`);
    return performance.now() - startedAt;
  }

  /** Publishes to another session until it is stopped. @returns ms of each */
  async keepOn(topic: string, goesOn: () => boolean): Promise<readonly number[]> {
    const times: number[] = [];
    while (goesOn()) {
      times.push(await this.publish(patientOpen(topic, crypto.randomUUID(), 500)));
      await wait(PACE);
    }
    return times.sort((a, b) => a - b);
  }
}

function opened(url: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** The socket of a subscriber, paused. */
function upgraded(url: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const request = get(url.replace('ws:', 'http:'), {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    });
    request.once('upgrade', (_, socket) => resolve(socket as Socket));
    request.once('error', reject);
  });
}

/** Connects, is sent one event, and loses the connection. @returns when the server has noticed */
async function leave(endpoint: string, publisher: Publisher, topic: string, id: string): Promise<void> {
  const socket = await opened(endpoint);
  const seen = new Promise<void>((resolve) =>
    socket.on('message', (data) => {
      if (String(data).includes(id)) resolve();
    }),
  );
  await publisher.publish(patientOpen(topic, id, 100));
  await seen;
  socket.terminate();
}

interface Felt {
  /** ms of the other session's events meanwhile. */
  readonly times: readonly number[];
  /** Resident bytes more than before, at most. */
  readonly grown: number;
}

/** What another session feels of a subscriber that returns. @param reads ends once it has read all, or has stood still long enough */
async function returning(
  program: Program,
  publisher: Publisher,
  other: string,
  reads: () => Promise<void>,
): Promise<Felt> {
  const before = residentBytes(program.pid);
  let most = before;
  let on = true;
  const look = setInterval(() => (most = Math.max(most, residentBytes(program.pid))), 5);
  const publishing = publisher.keepOn(other, () => on);
  await reads();
  on = false;
  const times = await publishing;
  clearInterval(look);
  return { times, grown: most - before };
}

async function measured(label: string, program: Program, say: (line: string) => void): Promise<readonly Row[]> {
  const backend = await Backend.register(program.origin);
  const publisher = new Publisher(backend);
  const [topic, other] = [await backend.session('Practitioner/1'), await backend.session('Practitioner/2')];
  const endpoint = await backend.subscribe(topic, 'Patient-open,Patient-close');
  await leave(endpoint, publisher, topic, 'last-seen');
  say(`${label}: publishing ${EVENTS} events of ${SIZE / 1e6} MB`);
  for (let i = 0; i < EVENTS; i++) {
    await publisher.publish(patientOpen(topic, `e${i}`, SIZE));
    if (i < EVENTS - 1) await publisher.publish(patientClose(topic, `c${i}`, `e${i}`));
  }
  const url = `${endpoint}?since=last-seen`;
  const readAll = async (): Promise<void> => {
    const last = `"id":"e${EVENTS - 1}"`;
    const socket = await upgraded(url);
    await new Promise<void>((resolve) => {
      // It reads what it is sent and looks for the last event only: the time that is measured is not its own.
      let end = '';
      socket.on('data', (bytes: Buffer) => {
        const found = bytes.includes(last) || (end + bytes.toString('latin1', 0, last.length)).includes(last);
        end = bytes.toString('latin1', bytes.length - last.length);
        if (found) resolve();
      });
    });
    socket.destroy();
  };
  const readNothing = async (): Promise<void> => {
    const socket = await upgraded(url);
    await wait(STALLED);
    socket.destroy();
  };
  let on = true;
  setTimeout(() => (on = false), ALONE);
  const alone = await publisher.keepOn(other, () => on);
  const row = (what: string, felt: readonly Felt[]): Row => {
    const times = felt.flatMap(({ times }) => times).sort((a, b) => a - b);
    return {
      label: `${label}, ${what}`,
      values: {
        p50: median(times),
        p99: percentile(times, 0.99),
        worst: times.at(-1) ?? 0,
        more: (times.at(-1) ?? 0) - median(alone),
        grown: Math.min(...felt.map(({ grown }) => grown)) / 2 ** 20,
      },
    };
  };
  const all: Felt[] = [];
  const nothing: Felt[] = [];
  for (let i = 0; i < RETURNS; i++) {
    say(`${label}: return ${i + 1} of ${RETURNS}`);
    all.push(await returning(program, publisher, other, readAll));
    await wait(SETTLE);
    nothing.push(await returning(program, publisher, other, readNothing));
    await wait(SETTLE);
  }
  return [
    row('alone', [{ times: alone, grown: 0 }]),
    row('beside one that reads all', all),
    row('beside one that reads nothing', nothing),
  ];
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  const redis = await RedisProcess.start();
  const settings = { PORT: '0', LOCKSTEP_LOG_LEVEL: 'error', LOCKSTEP_RATE_LIMIT: '0' };
  const rows: Row[] = [];
  try {
    for (const [label, more] of [
      ['file', {}],
      ['Redis', { LOCKSTEP_REDIS_URL: redis.url }],
    ] as const) {
      const program = await startServer({ ...settings, LOCKSTEP_DATA: join(data, label), ...more });
      try {
        rows.push(...(await measured(label, program, say)));
      } finally {
        await program.stop();
      }
    }
  } finally {
    await redis.remove();
    await rm(data, { recursive: true });
  }
  const worst = (key: string): number => Math.max(...rows.map(({ values }) => values[key] ?? 0));
  return [
    {
      title: 'A returning subscriber with a large backlog',
      note:
        `A subscriber returns with \`?since=\` to ${EVENTS} Patient-opens of ${SIZE / 1e6} MB (${Math.round((EVENTS * SIZE) / 1e6)} MB), ` +
        `${RETURNS} times, and another session's events are timed one by one meanwhile: each from its POST to its 202. Memory is the ` +
        'least growth of the resident set that a return was seen with: what the collector has not taken back yet is in it.',
      columns: [
        { key: 'p50', title: 'p50 ms', digits: 1 },
        { key: 'p99', title: 'p99 ms', digits: 1 },
        { key: 'worst', title: 'worst ms', digits: 1 },
        { key: 'more', title: 'worst, more than alone (p50)', digits: 1 },
        { key: 'grown', title: 'MiB more', digits: 1 },
      ],
      rows,
      goals: [
        { what: 'another session’s event, later than alone', reached: worst('more'), limit: 50, unit: 'ms' },
        {
          what: 'memory for a subscriber that reads nothing',
          reached: Math.max(
            ...rows.filter(({ label }) => label.endsWith('nothing')).map(({ values }) => values.grown ?? 0),
          ),
          limit: 8,
          unit: 'MiB',
        },
      ],
    },
  ];
}

export const isolation: Scenario = { name: 'isolation', run };
