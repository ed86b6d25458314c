/** How far one published event walks through the product's files, counted from the calls that a real server makes for it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Step } from './event-walk/calls.ts';
import type { EventCalls } from './event-walk/publish.ts';

/** What the store's thread does for an event; it may be asked for other things too. */
const STORED = 'store-sqlite/session-tables.ts#commit';

/** Where an event is handed on for good: it is taken in, decided, given to the store, written there, and sent to each subscriber. */
const HANDED_ON: ReadonlySet<string> = new Set([
  'server/http/event-door.ts#admit',
  'hub/rules/publish.ts#publish',
  'store-sqlite/worker-client.ts#ask',
  STORED,
  'server/http/sockets.ts#send',
]);

/** Files that an event walks through at most, and times that it comes to each of them. */
const MOST_FILES = 15;
const MOST_STAYS = 3;
/** What runs at all for an event with 4 subscribers, all that is looked up on the way included: files, and calls from one to another. */
const MOST_RUNNING = 92;
const MOST_CALLS = 264;

/** The files by which each subscriber is sent the event: the walk comes to them once for each. */
const FOR_EACH: ReadonlySet<string> = new Set([
  'hub/live/audience.ts',
  'hub/live/subscriber-socket.ts',
  'server/http/sockets.ts',
]);

/** The files by whose functions Node begins, or goes on with, what is done for an event on the main thread. */
const BEGINS: ReadonlySet<string> = new Set([
  'server/http/listener.ts',
  'server/http/event-door.ts',
  'hub/requests/publishing.ts',
  'hub/live/live-session.ts',
  'hub/live/queue.ts',
  'store-sqlite/worker-client.ts',
]);

const run = promisify(execFile);
const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

let events: readonly EventCalls[];

before(async () => {
  const { stdout } = await run(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '--import',
      file('./event-walk/calls.ts'),
      file('./event-walk/publish.ts'),
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  const all: readonly EventCalls[] = JSON.parse(stdout);
  // The server does things by itself now and then, such as a look at its store: those are left out.
  events = all.map(({ subscribers, main, store }) => ({
    subscribers,
    main: turnsOf(main)
      .filter(([first]) => first && BEGINS.has(fileOf(first.name)))
      .flat(),
    store: turnsOf(store)
      .filter((turn) => turn.some(({ name }) => name === STORED))
      .flat(),
  }));
});

function fileOf(name: string): string {
  return name.slice(0, name.indexOf('#'));
}

/** The steps by what Node called: each with all that it called in turn. */
function turnsOf(steps: readonly Step[]): readonly (readonly Step[])[] {
  const turns: Step[][] = [];
  for (const step of steps) {
    if (step.depth === 1) turns.push([]);
    turns.at(-1)?.push(step);
  }
  return turns;
}

/** Each step with the files under way around it, the outermost first. */
function withCallers(steps: readonly Step[]): readonly { readonly step: Step; readonly callers: readonly string[] }[] {
  const under: string[] = [];
  return steps.map((step) => {
    under.length = step.depth - 1;
    const callers = [...under];
    under.push(fileOf(step.name));
    return { step, callers };
  });
}

/** The files whose functions are under way where the event is handed on, in the order in which it comes to them. */
function filesOfWalk({ main, store }: EventCalls): readonly string[] {
  const files = new Set<string>();
  for (const steps of [main, store]) {
    for (const { step, callers } of withCallers(steps)) {
      if (HANDED_ON.has(step.name) && !step.goesOn) for (const one of [...callers, fileOf(step.name)]) files.add(one);
    }
  }
  return [...files];
}

/** The walk: a file each time that it is called by another one of the walk, or calls another one after it was left. */
function staysOf({ main, store }: EventCalls, files: readonly string[]): readonly string[] {
  const isOfWalk = new Set(files);
  const stays: string[] = [];
  for (const steps of [main, store]) {
    for (const { step, callers } of withCallers(steps)) {
      const called = fileOf(step.name);
      const caller = callers.findLast((one) => isOfWalk.has(one));
      if (step.goesOn || !isOfWalk.has(called) || caller === undefined || caller === called) continue;
      for (const one of [caller, called]) if (stays.at(-1) !== one) stays.push(one);
    }
  }
  return stays;
}

/** The files that the page names as the walk, in its order. */
function filesOfPage(): readonly string[] {
  const page = readFileSync(file('../../../docs/architecture.md'), 'utf8');
  const section = page.slice(page.indexOf("## One event's walk"), page.indexOf("## One launch's walk"));
  const steps = section.matchAll(/^\d+\. (.+?):/gm);
  return [...steps].flatMap(([, named = '']) =>
    [...named.matchAll(/`packages\/([a-z0-9-]+)\/src\/([^`]+)`/g)].map(([, folder, name]) => `${folder}/${name}`),
  );
}

test('one published event walks through 15 files at most, those that the page names', () => {
  for (const event of events) {
    const files = filesOfWalk(event);
    assert.deepEqual(files.toSorted(), filesOfPage().toSorted());
    assert.ok(files.length <= MOST_FILES, `${files.length} files: ${files.join(', ')}`);
  }
});

test('one published event comes to no file more than three times, and sends it in one step to each subscriber', () => {
  for (const event of events) {
    const stays = staysOf(event, filesOfWalk(event));
    for (const one of new Set(stays)) {
      const count = stays.filter((stay) => stay === one).length;
      const most = FOR_EACH.has(one) ? event.subscribers : MOST_STAYS;
      assert.ok(count <= most, `${one} ${count} times, ${event.subscribers} subscribers: ${stays.join(' > ')}`);
    }
  }
});

test('one published event makes no more of the product run than it did', () => {
  const event = events.at(-1);
  assert.ok(event);
  const running = new Set([...event.main, ...event.store].map(({ name }) => fileOf(name)));
  let calls = 0;
  for (const steps of [event.main, event.store]) {
    for (const { step, callers } of withCallers(steps)) {
      if (!step.goesOn && callers.length > 0 && callers.at(-1) !== fileOf(step.name)) calls += 1;
    }
  }
  assert.ok(running.size <= MOST_RUNNING, `${running.size} files`);
  assert.ok(calls <= MOST_CALLS, `${calls} calls from one file to another`);
});
