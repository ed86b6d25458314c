// Commits to several topics without end and prints each commit once it was acknowledged: topic, revision.
import { writeSync } from 'node:fs';
import process from 'node:process';
import { openSqlite } from '../src/index.ts';
import { WIDE } from './folder.ts';

const LANES = 8;

const { sessions, records } = await openSqlite({ path: process.argv[2]!, log: WIDE });

async function lane(topic: string): Promise<never> {
  let revision = (await sessions.load(topic))?.revision ?? 0;
  for (;;) {
    const next = revision + 1;
    const body = JSON.stringify({ next, filler: 'x'.repeat(next % 3_000) });
    const [result] = await Promise.all([
      sessions.commit({
        topic,
        expected: revision,
        at: Date.now(),
        parts: new Map([['state', body]]),
        append: [{ number: next, id: `event-${next}`, at: Date.now(), body }],
        index: { add: [`last ${topic} ${next}`], remove: [`last ${topic} ${revision}`] },
      }),
      records.put('kind', `${topic} ${next}`, { body }, Date.now(), 'absent'),
    ]);
    if (!result.ok) throw new Error(`commit ${next} of ${topic} was refused`);
    revision = result.revision;
    writeSync(1, `${topic} ${revision}\n`);
  }
}

await Promise.all(Array.from({ length: LANES }, (_, n) => lane(`topic-${n}`)));
