/** Whether the number of sessions matters: to an event, and to a restart. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { patientOpen } from './events.ts';
import { FAN_OUT } from './hub.ts';
import { Loader } from './loader.ts';
import { median } from './measure.ts';
import { type Program, startLockstep } from './program.ts';
import type { Row, Scenario, Section } from './scenario.ts';
import { Backend, forEach, prepareLockstep } from './target.ts';
import { ratio, takeTurns } from './turns.ts';

const SESSIONS = 10_000;
const BUSY_TOPICS = 100;
const IN_FLIGHT = 64;
const TURNS = 5;
const TURN_MS = 1_500;
const RESTARTS = 3;

/** Sessions with an open patient each. */
async function fill(backend: Backend): Promise<void> {
  await forEach(SESSIONS, async (index) => {
    const topic = await backend.session(`Practitioner/${index}`);
    const response = await fetch(`${backend.origin}/hub`, {
      method: 'POST',
      headers: { ...backend.headers, 'content-type': 'application/json' },
      body: patientOpen(topic, 0).fill(crypto.randomUUID(), ''),
    });
    await response.arrayBuffer();
    if (response.status !== 202) throw new Error(`A session could not be filled: ${response.status}`);
  });
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const folders = [await mkdtemp(join(tmpdir(), 'lockstep-bench-')), await mkdtemp(join(tmpdir(), 'lockstep-bench-'))];
  const loader = new Loader();
  const [few, many] = (await Promise.all(folders.map((data) => startLockstep(data)))) as [Program, Program];
  let restarted: Program | undefined;
  try {
    say(`${SESSIONS} sessions: opening`);
    const [small, large] = [await Backend.register(few.origin), await Backend.register(many.origin)];
    await fill(large);
    await large.renew();
    await prepareLockstep(loader, 'few', small, BUSY_TOPICS, FAN_OUT);
    await prepareLockstep(loader, 'many', large, BUSY_TOPICS, FAN_OUT);
    say(`${SESSIONS} sessions: events`);
    const contestants = [
      { target: 'few', program: few },
      { target: 'many', program: many },
    ];
    const turns = await takeTurns(contestants, TURNS, ({ target }) =>
      loader.order({ do: 'saturate', target, kind: 'open', ms: TURN_MS, inFlight: IN_FLIGHT }),
    );
    const labels = [`${BUSY_TOPICS} sessions`, `${SESSIONS + BUSY_TOPICS} sessions`];
    const rows: Row[] = turns.map(({ cpu }, i) => ({
      label: labels[i]!,
      values: { cpuEvent: median(cpu), ratio: ratio(cpu, turns[0]!.cpu) },
    }));
    say(`${SESSIONS} sessions: restarts`);
    const starts: number[] = [];
    await many.stop('SIGKILL');
    for (let i = 0; i < RESTARTS; i++) {
      restarted = await startLockstep(folders[1]!);
      starts.push(restarted.startMs / 1000);
      await restarted.stop('SIGKILL');
    }
    return [
      {
        title: 'Sessions',
        note: `The same events in ${BUSY_TOPICS} sessions × ${FAN_OUT} subscribers, alone and beside ${SESSIONS} sessions with an open patient each.`,
        columns: [
          { key: 'cpuEvent', title: 'CPU µs/event', digits: 0 },
          { key: 'ratio', title: '× first row', digits: 2 },
        ],
        rows,
        goals: [
          {
            what: `CPU of an event beside ${SESSIONS} sessions, against without`,
            reached: rows[1]!.values.ratio!,
            limit: 1.15,
            unit: '×',
          },
          {
            what: `Restart with ${SESSIONS} sessions after kill -9, process start included`,
            reached: median(starts),
            limit: 3,
            unit: 's',
          },
        ],
      },
    ];
  } finally {
    loader.stop();
    await Promise.all([few, many, restarted].map((program) => program?.stop('SIGKILL')));
    await Promise.all(folders.map((data) => rm(data, { recursive: true })));
  }
}

export const sessions: Scenario = { name: 'sessions', run };
