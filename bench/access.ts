/** What access control costs: the check of a bearer token, the token endpoint, a FHIR read. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bearerCost } from './bearer.ts';
import { Loader } from './loader.ts';
import { median } from './measure.ts';
import { path, startLockstep, startProgram } from './program.ts';
import { getRequest, postHead, withBody } from './requests.ts';
import type { Row, Scenario, Section } from './scenario.ts';
import { Backend, forEach } from './target.ts';
import { medianOf, ratio, takeTurns } from './turns.ts';

const TURNS = 5;
const TURN_MS = 1_200;
const IN_FLIGHT = 16;

/** Token requests of a turn. Their assertions are signed before, since each is good for once. */
const TOKENS = 600;

/** A resource to read. */
async function firstPatient(backend: Backend): Promise<string> {
  const response = await fetch(`${backend.origin}/fhir/Patient?_count=1`, { headers: backend.headers });
  const { entry } = (await response.json()) as { entry?: readonly { readonly resource: { readonly id: string } }[] };
  if (!entry?.[0]) throw new Error('There is no patient to read');
  return entry[0].resource.id;
}

async function tokenRequests(backend: Backend): Promise<string[]> {
  const head = postHead(backend.tokenUrl, { 'Content-Type': 'application/x-www-form-urlencoded' });
  return forEach(TOKENS, async () => withBody(head, (await backend.tokenForm()).toString()));
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  const loader = new Loader();
  const bare = await startProgram([path('./bare.ts')]);
  const lockstep = await startLockstep(data);
  try {
    say('tokens and FHIR reads');
    const backend = await Backend.register(lockstep.origin);
    const patient = await firstPatient(backend);
    const reading = getRequest(`${backend.origin}/fhir/Patient/${patient}`, backend.headers);
    const contestants = [
      { target: 'bare route, one SQLite read', program: bare },
      { target: 'FHIR read', program: lockstep },
      { target: 'token endpoint, private_key_jwt (RS384)', program: lockstep },
    ];
    const turns = await takeTurns(contestants, TURNS, async ({ program }, index) => {
      const isToken = index === 2;
      const requests = isToken
        ? await tokenRequests(backend)
        : [index === 0 ? getRequest(`${bare.origin}/resource/0`, {}) : reading];
      const origin = program.origin.replace('//localhost:', '//127.0.0.1:');
      return loader.order({
        do: 'request',
        target: '',
        origin,
        requests,
        again: !isToken,
        ms: TURN_MS,
        inFlight: IN_FLIGHT,
      });
    });
    const rows: Row[] = contestants.map(({ target }, index) => {
      const { cpu } = turns[index]!;
      const perSecond = medianOf(turns[index]!, ({ events, seconds }) => events / seconds);
      return { label: target, values: { perSecond, cpu: median(cpu), ratio: ratio(cpu, turns[0]!.cpu) } };
    });
    say('bearer checks');
    const { warm, cold } = await bearerCost();
    rows.push({ label: 'bearer check, in memory', values: { cpu: warm } });
    rows.push({ label: 'bearer check, read from the store', values: { cpu: cold } });
    return [
      {
        title: 'Access',
        note: `${IN_FLIGHT} requests at once, answers of about 1 KB; programs take turns, medians of ${TURNS - 1}.`,
        columns: [
          { key: 'perSecond', title: 'requests/s', digits: 0 },
          { key: 'cpu', title: 'CPU µs', digits: 1 },
          { key: 'ratio', title: '× bare route', digits: 2 },
        ],
        rows,
        goals: [
          { what: 'CPU of a FHIR read, against the bare route', reached: rows[1]!.values.ratio!, limit: 4, unit: '×' },
          {
            what: 'CPU of the token endpoint, against the bare route',
            reached: rows[2]!.values.ratio!,
            limit: 4,
            unit: '×',
          },
          { what: 'CPU of a bearer check', reached: warm, limit: 20, unit: 'µs' },
        ],
      },
    ];
  } finally {
    loader.stop();
    await bare.stop();
    await lockstep.stop();
    await rm(data, { recursive: true });
  }
}

export const access: Scenario = { name: 'access', run };
