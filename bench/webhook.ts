/** Webhooks: what a delivery costs next to a bare loop of POSTs, and what ten thousand dead callbacks cost. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { cpuSeconds, median, residentBytes } from './measure.ts';
import { type Program, path, startLockstep, startProgram } from './program.ts';
import type { Row, Scenario, Section } from './scenario.ts';
import { Backend, forEach } from './target.ts';
import { event } from './webhook-event.ts';

const SESSIONS = 10;
const FAN_OUT = 40;
const TURNS = 5;
const EVENTS = 10;
const DELIVERIES = SESSIONS * FAN_OUT * EVENTS;

const DEAD = 10_000;
const DEAD_PER_SESSION = 50;
/** ms from the event on, and of the measurement after it. */
const DEAD_SETTLE_MS = 20_000;
const DEAD_MS = 20_000;

/** A subscriber's server that confirms every verification and counts deliveries. It lives in this process: nobody measures it. */
class Callbacks {
  readonly #server: Server;
  verified = 0;
  delivered = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      request.resume();
      if (request.method === 'GET') {
        this.verified += 1;
        response.end(new URL(request.url ?? '/', 'http://callback').searchParams.get('hub.challenge'));
      } else {
        this.delivered += 1;
        response.end();
      }
    });
    this.#server.keepAliveTimeout = 60_000;
  }

  static async start(): Promise<Callbacks> {
    const callbacks = new Callbacks();
    await new Promise<void>((resolve) => callbacks.#server.listen(0, '0.0.0.0', resolve));
    return callbacks;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Waits until so many have arrived. */
  async until(what: 'verified' | 'delivered', count: number): Promise<void> {
    for (let waited = 0; this[what] < count; waited += 5) {
      if (waited > 120_000) throw new Error(`${this[what]} of ${count} ${what} after two minutes`);
      await wait(5);
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function subscribe(backend: Backend, topic: string, callback: string, secret?: string): Promise<void> {
  const response = await fetch(`${backend.origin}/hub`, {
    method: 'POST',
    headers: backend.headers,
    body: new URLSearchParams({
      'hub.channel.type': 'webhook',
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': 'Patient-open',
      'hub.callback': callback,
      ...(secret && { 'hub.secret': secret }),
    }),
  });
  if (response.status !== 202) throw new Error(`subscribing was answered ${response.status}: ${await response.text()}`);
}

async function publish(backend: Backend, topic: string): Promise<void> {
  const response = await fetch(`${backend.origin}/hub`, {
    method: 'POST',
    headers: { ...backend.headers, 'content-type': 'application/json' },
    body: event(topic, crypto.randomUUID()),
  });
  if (response.status !== 202) throw new Error(`publishing was answered ${response.status}`);
}

/** Sessions whose subscribers are webhooks. @returns their topics */
async function sessions(
  backend: Backend,
  callbacks: Callbacks,
  count: number,
  fanOut: number,
  callback: (index: number) => string,
  secret?: string,
): Promise<readonly string[]> {
  const before = callbacks.verified;
  const topics = await forEach(count, (index) => backend.session(`Practitioner/${index}`));
  await forEach(count * fanOut, (index) => subscribe(backend, topics[index % count]!, callback(index), secret));
  await callbacks.until('verified', before + count * fanOut);
  return topics;
}

/** CPU µs of a program for each of the deliveries that the work makes it do. */
async function cpuOf(program: Program, callbacks: Callbacks, work: () => Promise<unknown>): Promise<number> {
  const since = cpuSeconds(program.pid);
  const before = callbacks.delivered;
  await Promise.all([work(), callbacks.until('delivered', before + DELIVERIES)]);
  return ((cpuSeconds(program.pid) - since) / DELIVERIES) * 1e6;
}

async function deliveries(data: string, say: (line: string) => void): Promise<Section> {
  const callbacks = await Callbacks.start();
  const floor = await startProgram([path('./poster.ts')]);
  const lockstep = await startLockstep(data);
  try {
    const backend = await Backend.register(lockstep.origin);
    const url = (index: number): string => `http://127.0.0.1:${callbacks.port}/callback/${index}`;
    say('subscribing');
    const plain = await sessions(backend, callbacks, SESSIONS, FAN_OUT, url);
    const signed = await sessions(
      backend,
      callbacks,
      SESSIONS,
      FAN_OUT,
      (index) => `${url(index)}/s`,
      'a secret of some length',
    );
    const broadcast = (topics: readonly string[]) => async (): Promise<void> => {
      for (let round = 0; round < EVENTS; round++) await Promise.all(topics.map((topic) => publish(backend, topic)));
    };
    const contestants: readonly (readonly [string, Program, () => Promise<unknown>])[] = [
      [
        'bare undici POSTs, kept connections',
        floor,
        () => fetch(`${floor.origin}/${DELIVERIES}?${encodeURIComponent(url(0))}`),
      ],
      ['Lockstep, webhooks', lockstep, broadcast(plain)],
      ['Lockstep, webhooks, signed', lockstep, broadcast(signed)],
    ];
    const taken = contestants.map(() => [] as number[]);
    for (let turn = 0; turn < TURNS; turn++) {
      say(`turn ${turn + 1} of ${TURNS}`);
      for (const [index, [, program, work]] of contestants.entries()) {
        const cpu = await cpuOf(program, callbacks, work);
        // The first turn warms up.
        if (turn > 0) taken[index]!.push(cpu);
      }
    }
    const rows: Row[] = contestants.map(([label], index) => ({
      label,
      values: { cpu: median(taken[index]!), ratio: median(taken[index]!.map((cpu, turn) => cpu / taken[0]![turn]!)) },
    }));
    return {
      title: 'Webhook deliveries',
      note:
        `${SESSIONS} sessions with ${FAN_OUT} webhooks each, events of 0.9 KB; CPU of the sending process for a ` +
        `delivery, publishing included; medians of ${TURNS - 1} turns of ${DELIVERIES} deliveries.`,
      columns: [
        { key: 'cpu', title: 'CPU µs a delivery', digits: 1 },
        { key: 'ratio', title: '× bare POSTs', digits: 2 },
      ],
      rows,
      goals: [
        { what: 'CPU of a signed delivery, against bare POSTs', reached: rows[2]!.values.ratio!, limit: 2, unit: '×' },
      ],
    };
  } finally {
    await floor.stop();
    await lockstep.stop();
    await callbacks.close();
  }
}

async function deadCallbacks(data: string, say: (line: string) => void): Promise<Section> {
  const callbacks = await Callbacks.start();
  const lockstep = await startLockstep(data);
  try {
    const backend = await Backend.register(lockstep.origin);
    say(`subscribing ${DEAD} webhooks, each at an address of its own`);
    const { port } = callbacks;
    const address = (index: number): string => `http://127.1.${index >> 8}.${index & 255}:${port}/callback`;
    const topics = await sessions(backend, callbacks, DEAD / DEAD_PER_SESSION, DEAD_PER_SESSION, address);
    await callbacks.close();
    const before = residentBytes(lockstep.pid);
    say('their addresses are dead now: one event for each');
    await forEach(topics.length, (index) => publish(backend, topics[index]!));
    await wait(DEAD_SETTLE_MS);
    say('measuring');
    const since = cpuSeconds(lockstep.pid);
    await wait(DEAD_MS);
    const busy = (cpuSeconds(lockstep.pid) - since) / (DEAD_MS / 1000);
    const after = residentBytes(lockstep.pid);
    return {
      title: 'Dead callbacks',
      note:
        `${DEAD} webhook subscribers, each at an address of its own where nobody listens any more, with an event to ` +
        `deliver; from ${DEAD_SETTLE_MS / 1000} s after the event on, for ${DEAD_MS / 1000} s.`,
      columns: [
        { key: 'busy', title: 'share of one core, %', digits: 1 },
        { key: 'before', title: 'MB before', digits: 0 },
        { key: 'after', title: 'MB after', digits: 0 },
        { key: 'each', title: 'KB more for each', digits: 1 },
      ],
      rows: [
        {
          label: `${DEAD} dead callbacks`,
          values: {
            busy: busy * 100,
            before: before / 2 ** 20,
            after: after / 2 ** 20,
            each: (after - before) / DEAD / 1024,
          },
        },
      ],
      goals: [
        { what: 'share of one core for dead callbacks', reached: busy * 100, limit: 5, unit: '%' },
        { what: 'memory more for a dead callback', reached: (after - before) / DEAD / 1024, limit: 16, unit: 'KB' },
      ],
    };
  } finally {
    await lockstep.stop();
    await callbacks.close();
  }
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  try {
    return [await deliveries(join(data, 'delivering'), say), await deadCallbacks(join(data, 'dead'), say)];
  } finally {
    await rm(data, { recursive: true });
  }
}

export const webhook: Scenario = { name: 'webhook', run };
