/** What the gateway to a FHIR server costs, against the barest proxy in front of the same server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Loader } from './loader.ts';
import { median } from './measure.ts';
import { path, startProgram, startServer } from './program.ts';
import { getRequest } from './requests.ts';
import type { Row, Scenario, Section } from './scenario.ts';
import { Backend } from './target.ts';
import { medianOf, ratio, takeTurns } from './turns.ts';

const TURNS = 6;
const TURN_MS = 1_500;
const WARM_UP_MS = 5_000;
const IN_FLIGHT = 16;
const CATEGORY = 'vital-signs';
const GRANULAR = `system/Observation.rs?category=${CATEGORY}`;
const SEARCH = 'Observation?code=8867-4';

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  const loader = new Loader();
  const server = await startProgram([path('./fhir-upstream.ts')]);
  const proxy = await startProgram([path('./proxy.ts'), server.origin]);
  const filtering = await startProgram([path('./filtering-proxy.ts'), server.origin, CATEGORY]);
  const lockstep = await startServer({
    PORT: '0',
    LOCKSTEP_DATA: data,
    LOCKSTEP_LOG_LEVEL: 'error',
    LOCKSTEP_RATE_LIMIT: '0',
    LOCKSTEP_FHIR_UPSTREAM: `${server.origin}/fhir`,
  });
  try {
    say('reads and searches');
    const reader = await Backend.register(lockstep.origin);
    const granular = await Backend.register(lockstep.origin, GRANULAR);
    const at = `${lockstep.origin}/fhir`;
    const contestants = [
      { target: 'read, barest proxy', program: proxy, request: getRequest(`${proxy.origin}/fhir/Patient/p1`, {}) },
      { target: 'read, gateway', program: lockstep, request: getRequest(`${at}/Patient/p1`, reader.headers) },
      { target: 'search, barest proxy', program: proxy, request: getRequest(`${proxy.origin}/fhir/${SEARCH}`, {}) },
      { target: 'search, gateway', program: lockstep, request: getRequest(`${at}/${SEARCH}`, reader.headers) },
      {
        target: 'granular search, gateway',
        program: lockstep,
        request: getRequest(`${at}/${SEARCH}`, granular.headers),
      },
      {
        target: 'granular search, proxy that parses and filters',
        program: filtering,
        request: getRequest(`${filtering.origin}/fhir/${SEARCH}`, {}),
      },
    ];
    const load = ({ program, request }: (typeof contestants)[number], ms: number) =>
      loader.order({
        do: 'request',
        target: '',
        origin: program.origin.replace('//localhost:', '//127.0.0.1:'),
        requests: [request],
        again: true,
        ms,
        inFlight: IN_FLIGHT,
      });
    // A server runs for weeks: what compiling its code costs is no part of a request.
    for (const contestant of contestants) await load(contestant, WARM_UP_MS);
    const turns = await takeTurns(contestants, TURNS, (contestant) => load(contestant, TURN_MS));
    const rows: Row[] = contestants.map(({ target }, index) => {
      const { cpu } = turns[index]!;
      const floor = turns[target.startsWith('read') ? 0 : 2]!.cpu;
      const perSecond = medianOf(turns[index]!, ({ events, seconds }) => events / seconds);
      return { label: target, values: { perSecond, cpu: median(cpu), ratio: ratio(cpu, floor) } };
    });
    return [
      {
        title: 'Gateway to a FHIR server',
        note: `${IN_FLIGHT} requests at once; a patient of 1 KB, a page of 20 observations; programs take turns, medians of ${TURNS - 1}. The proxy that parses and filters does for a page what a granular scope needs, and nothing else: it trusts the server, and asks nobody who calls.`,
        columns: [
          { key: 'perSecond', title: 'requests/s', digits: 0 },
          { key: 'cpu', title: 'CPU µs', digits: 1 },
          { key: 'ratio', title: '× barest proxy', digits: 2 },
        ],
        rows,
        goals: [
          { what: 'CPU of a read, against the barest proxy', reached: rows[1]!.values.ratio!, limit: 1.5, unit: '×' },
          {
            what: 'CPU of a granular search, against the barest proxy',
            reached: rows[4]!.values.ratio!,
            limit: 2,
            unit: '×',
          },
        ],
      },
    ];
  } finally {
    loader.stop();
    await proxy.stop();
    await filtering.stop();
    await lockstep.stop();
    await server.stop();
    await rm(data, { recursive: true });
  }
}

export const gateway: Scenario = { name: 'gateway', run };
