/** Whether the number of contexts that are open in a session matters to an event of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KINDS, type Kind, patientOpen } from './events.ts';
import { FAN_OUT } from './hub.ts';
import { Loader } from './loader.ts';
import { median } from './measure.ts';
import { type Program, startLockstep } from './program.ts';
import type { Row, Scenario, Section } from './scenario.ts';
import { authorizeLoad, Backend, forEach, prepareLockstep } from './target.ts';
import { medianOf, ratio, takeTurns } from './turns.ts';

const OPEN = [10, 1_000, 15_000];
/** The two patients that the load opens come on top. */
const FIRST = 2;
const TURNS = 7;
const TURN_MS = 1_500;
/** Contexts opened with one token, which lasts for five minutes. */
const AT_ONCE = 1_000;

/** Opens so many contexts in a session, and closes none. */
async function fill(backend: Backend, topic: string, contexts: number): Promise<void> {
  for (let from = 0; from < contexts; from += AT_ONCE) {
    await backend.renew();
    await forEach(Math.min(AT_ONCE, contexts - from), async (index) => {
      const response = await fetch(`${backend.origin}/hub`, {
        method: 'POST',
        headers: { ...backend.headers, 'content-type': 'application/json' },
        body: patientOpen(topic, FIRST + from + index).fill(crypto.randomUUID(), ''),
      });
      await response.arrayBuffer();
      if (response.status !== 202) throw new Error(`A context could not be opened: ${response.status}`);
    });
  }
}

async function measure(loader: Loader, program: Program, backend: Backend, kind: Kind): Promise<Row[]> {
  const contestants = OPEN.map((open) => ({ target: String(open), program }));
  const turns = await takeTurns(
    contestants,
    TURNS,
    ({ target }) => loader.order({ do: 'saturate', target, kind, ms: TURN_MS, inFlight: 1 }),
    async ({ target }) => {
      await backend.renew();
      await authorizeLoad(loader, target, backend);
    },
  );
  return turns.map((own, index) => ({
    label: `${KINDS[kind]}, ${OPEN[index]} open contexts`,
    values: { cpuEvent: median(own.cpu), p50: medianOf(own, ({ p50 }) => p50), ratio: ratio(own.cpu, turns[0]!.cpu) },
  }));
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  const loader = new Loader();
  const program = await startLockstep(data);
  const rows: Row[] = [];
  try {
    const backend = await Backend.register(program.origin);
    for (const open of OPEN) {
      say(`opening ${open} contexts in a session`);
      const { topics } = await prepareLockstep(loader, String(open), backend, 1, FAN_OUT);
      await fill(backend, topics[0]!, open);
    }
    for (const kind of ['open', 'update'] as const) {
      if (kind === 'update') {
        for (const open of OPEN) await loader.order({ do: 'open-reports', target: String(open) });
      }
      say(KINDS[kind]);
      rows.push(...(await measure(loader, program, backend, kind)));
    }
  } finally {
    loader.stop();
    await program.stop();
    await rm(data, { recursive: true });
  }
  return [
    {
      title: 'Contexts of a session',
      note:
        `One event at a time in a session with ${FAN_OUT} subscribers, where more and more contexts are open. The sessions take ` +
        `turns of ${TURN_MS / 1000} s in one program; medians of ${TURNS - 1} turns, ratios of the turns of one round.`,
      columns: [
        { key: 'cpuEvent', title: 'CPU µs/event', digits: 0 },
        { key: 'p50', title: 'p50 ms', digits: 2 },
        { key: 'ratio', title: '× 10 contexts', digits: 2 },
      ],
      rows,
      goals: [
        {
          what: `CPU of an event beside ${OPEN.at(-1)} open contexts, against beside ${OPEN[0]}`,
          reached: Math.max(...rows.map(({ values }) => values.ratio!)),
          limit: 1.25,
          unit: '×',
        },
      ],
    },
  ];
}

export const contexts: Scenario = { name: 'contexts', run };
