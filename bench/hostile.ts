/** Whether publishing and memory hold while somebody harms the server: strangers, and an application with a token. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Flood } from './flood.ts';
import { cpuSeconds, median, percentile, residentBytes } from './measure.ts';
import { type Program, startFlood, startServer } from './program.ts';
import type { Goal, Row, Scenario, Section } from './scenario.ts';
import { Backend } from './target.ts';

/** What harm is done, and how much of it must have been done in each turn: otherwise nothing was measured. */
const FLOODS: readonly (readonly [kind: Flood['kind'], label: string, least: number])[] = [
  ['registrations', 'registrations of 900 KB, 50 at once', 50],
  ['tokens', 'guessed tokens, 50 at once', 50],
  ['half-open', '1,500 half-open sockets', 1_500],
  ['fhir', '2,000 FHIR requests a second', 50],
  ['search', 'one search of 1 MB', 1],
];

/** Pairs of turns, without harm and with it, ms each. */
const PAIRS = 5;
const TURN = 1_500;
/** ms that a flood has to begin, and the server to recover. */
const BEGIN = 300;
/** ms between two events. */
const PACE = 5;
/** Most that publishing may slow by, and that the server may grow by, bytes. */
const LIMIT = 1.5;
const GROWTH = 200 * 2 ** 20;

let published = 0;

/** Opens a patient, or closes it again: contexts that stay open would make each event cost more than the one before. */
async function publish(backend: Backend, topic: string): Promise<number> {
  const id = crypto.randomUUID();
  const name = published++ % 2 === 0 ? 'Patient-open' : 'Patient-close';
  const context = [{ key: 'patient', resource: { resourceType: 'Patient', id: 'p1' } }];
  const event = { 'hub.topic': topic, 'hub.event': name, context };
  const startedAt = performance.now();
  const response = await fetch(`${backend.origin}/hub`, {
    method: 'POST',
    headers: { ...backend.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ timestamp: new Date().toISOString(), id, event }),
  });
  await response.arrayBuffer();
  if (response.status !== 202) throw new Error(`An event was answered ${response.status}`);
  return performance.now() - startedAt;
}

async function turn(backend: Backend, topic: string): Promise<readonly number[]> {
  const times: number[] = [];
  for (const until = performance.now() + TURN; performance.now() < until; await wait(PACE)) {
    times.push(await publish(backend, topic));
  }
  return times.sort((a, b) => a - b);
}

async function harmed(
  program: Program,
  backend: Backend,
  topic: string,
  { kind, token, least }: Omit<Flood, 'origin'> & { readonly least: number },
): Promise<Row['values']> {
  const pairs: { readonly alone: readonly number[]; readonly beside: readonly number[]; readonly cores: number }[] = [];
  const before = residentBytes(program.pid);
  let most = before;
  let requests = 0;
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const alone = await turn(backend, topic);
    const flood = startFlood(JSON.stringify({ kind, origin: program.origin, token } satisfies Flood));
    await once(flood, 'message');
    const look = setInterval(() => (most = Math.max(most, residentBytes(program.pid))), 20);
    await wait(kind === 'search' ? 0 : BEGIN);
    const [usedBefore, startedAt] = [cpuSeconds(program.pid), performance.now()];
    const beside = await turn(backend, topic);
    const cores = (cpuSeconds(program.pid) - usedBefore) / ((performance.now() - startedAt) / 1000);
    flood.send('how many');
    const sent = Number((await once(flood, 'message'))[0]);
    if (sent < least) throw new Error(`Of ${kind}, ${sent} were sent in a turn, not ${least}`);
    requests += sent;
    flood.kill('SIGKILL');
    await once(flood, 'exit');
    clearInterval(look);
    await wait(BEGIN);
    pairs.push({ alone, beside, cores });
  }
  const besides = pairs.flatMap(({ beside }) => beside).sort((a, b) => a - b);
  return {
    requests,
    alone: median(pairs.map(({ alone }) => median(alone))),
    beside: median(pairs.map(({ beside }) => median(beside))),
    ratio: median(pairs.map(({ alone, beside }) => median(beside) / median(alone))),
    p99: percentile(besides, 0.99),
    cores: median(pairs.map(({ cores }) => cores)),
    grown: (most - before) / 2 ** 20,
  };
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const data = await mkdtemp(join(tmpdir(), 'lockstep-hostile-'));
  // The limits that a deployment has by default: they are what is measured.
  const program = await startServer({ PORT: '0', LOCKSTEP_DATA: data, LOCKSTEP_LOG_LEVEL: 'fatal' });
  try {
    const attacker = await Backend.register(program.origin, 'system/*.rs');
    const publisher = await Backend.register(program.origin);
    const topic = await publisher.session('Practitioner/1');
    const rows: Row[] = [];
    for (const [kind, label, least] of FLOODS) {
      say(label);
      await attacker.renew();
      await publisher.renew();
      rows.push({ label, values: await harmed(program, publisher, topic, { kind, token: attacker.token, least }) });
    }
    const goals = rows.flatMap(({ label, values }): Goal[] => [
      { what: `median of publishing beside ${label}`, reached: values.ratio ?? 0, limit: LIMIT, unit: '×' },
      { what: `growth beside ${label}`, reached: values.grown ?? 0, limit: GROWTH / 2 ** 20, unit: 'MiB' },
    ]);
    return [
      {
        title: 'Publishing while somebody does harm',
        note:
          `One client publishes an event every ${PACE} ms: ${PAIRS} pairs of turns of ${TURN / 1000} s, alone and beside the harm, which ` +
          'a process of the lowest priority does on the core of that client. The server has the limits that it has by default.',
        columns: [
          { key: 'requests', title: 'sent', digits: 0 },
          { key: 'alone', title: 'alone: p50 ms', digits: 2 },
          { key: 'beside', title: 'beside: p50 ms', digits: 2 },
          { key: 'ratio', title: '×', digits: 2 },
          { key: 'p99', title: 'beside: p99 ms', digits: 1 },
          { key: 'cores', title: 'cores used', digits: 2 },
          { key: 'grown', title: 'grown MiB', digits: 0 },
        ],
        rows,
        goals,
      },
    ];
  } finally {
    await program.stop();
    await rm(data, { recursive: true, force: true });
  }
}

export const hostile: Scenario = { name: 'hostile', run };
