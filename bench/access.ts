/** What access control costs: the check of a bearer token, the token endpoint, a FHIR read. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bearerCost } from './bearer.ts';
import { Loader } from './loader.ts';
import { median } from './measure.ts';
import { type Program, path, startLockstep, startProgram } from './program.ts';
import { getRequest, postHead, withBody } from './requests.ts';
import type { Row, Scenario, Section } from './scenario.ts';
import { Backend, forEach } from './target.ts';
import { medianOf, ratio, takeTurns } from './turns.ts';

const TURNS = 5;
const TURN_MS = 1_200;
const IN_FLIGHT = 16;
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };

/** Token requests of a turn, enough to warm the code up. Their assertions are signed before, since each is good for once. */
const TOKENS = 2_000;

/** A resource to read. */
async function firstPatient(backend: Backend): Promise<string> {
  const response = await fetch(`${backend.origin}/fhir/Patient?_count=1`, { headers: backend.headers });
  const { entry } = (await response.json()) as { entry?: readonly { readonly resource: { readonly id: string } }[] };
  if (!entry?.[0]) throw new Error('There is no patient to read');
  return entry[0].resource.id;
}

function tokenForms(backend: Backend): Promise<string[]> {
  return forEach(TOKENS, async () => (await backend.tokenForm()).toString());
}

/** What a turn asks for: one request over and over, or token requests that are good for once. */
type Asking =
  | { readonly target: string; readonly program: Program; readonly request: string }
  | { readonly target: string; readonly program: Program; readonly url: string };

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  const loader = new Loader();
  const lockstep = await startLockstep(data);
  const backend = await Backend.register(lockstep.origin);
  const bare = await startProgram([path('./bare.ts'), data, JSON.stringify(backend.jwk)]);
  try {
    say('tokens and FHIR reads');
    const patient = await firstPatient(backend);
    const contestants: readonly Asking[] = [
      { target: 'bare route, one SQLite read', program: bare, request: getRequest(`${bare.origin}/resource/0`, {}) },
      {
        target: 'FHIR read',
        program: lockstep,
        request: getRequest(`${backend.origin}/fhir/Patient/${patient}`, backend.headers),
      },
      { target: 'bare route, one RS384 signature', program: bare, url: `${bare.origin}/signature` },
      { target: 'bare route, one RS384 signature, two durable records', program: bare, url: `${bare.origin}/token` },
      { target: 'token endpoint, private_key_jwt (RS384)', program: lockstep, url: backend.tokenUrl },
    ];
    let forms: readonly string[] = [];
    const turns = await takeTurns(contestants, TURNS, async (asking, index) => {
      if (index === 0) forms = await tokenForms(backend);
      const requests =
        'request' in asking ? [asking.request] : forms.map((form) => withBody(postHead(asking.url, FORM), form));
      return loader.order({
        do: 'request',
        target: '',
        origin: asking.program.origin.replace('//localhost:', '//127.0.0.1:'),
        requests,
        again: 'request' in asking,
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
            reached: rows[4]!.values.ratio!,
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
