import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { text as readAll } from 'node:stream/consumers';
import { type ContextElement, isObject } from '@lockstep/fhircast';
import { type Call, CliError, type Command, EXIT } from '../command.ts';
import { resourceElement } from '../event-text.ts';
import { askHub, findTopic, HUB_OPTIONS, reachHub } from '../hub-access.ts';

async function readJson(path: string, what: string): Promise<unknown> {
  try {
    return JSON.parse(path === '-' ? await readAll(process.stdin) : await readFile(path, 'utf8'));
  } catch (error) {
    throw new CliError(EXIT.usage, `${what}: ${(error as Error).message}`);
  }
}

async function contextOf({ args, values }: Call): Promise<readonly ContextElement[]> {
  const path = values.text('context');
  const given = path === undefined ? [] : await readJson(path, '--context');
  if (!Array.isArray(given)) throw new CliError(EXIT.usage, '--context must hold a JSON array');
  return [...(given as ContextElement[]), ...args.slice(1).map(resourceElement)];
}

export const publish: Command = {
  name: 'publish',
  takes: 'EVENT [RESOURCE ...]',
  summary: 'Publish an event into a session',
  details: `RESOURCE is Type/id, with the key of the event's definition or with its own: report=DiagnosticReport/7. Whole resources
come from --context, a JSON array as in an event, and whole events from --event; - reads standard input.`,
  options: {
    context: { type: 'string', value: 'FILE', file: true, help: 'JSON file with the context array' },
    event: {
      type: 'string',
      value: 'FILE',
      file: true,
      help: 'JSON file with a whole event; its topic and time are set',
    },
    id: { type: 'string', value: 'ID', help: "the event's id; a new one" },
    version: { type: 'string', value: 'ID', help: 'context.versionId, for updates' },
    ...HUB_OPTIONS,
  },
  examples: [
    {
      line: 'lockstep publish Patient-open Patient/rosa-quispe',
      means: "open a patient in the local server's only session",
    },
    {
      line: 'lockstep publish ImagingStudy-open ImagingStudy/s1 Patient/p1 --user lokafor',
      means: "open a study in a user's session",
    },
    { line: 'lockstep publish DiagnosticReport-update --context update.json --version V', means: 'share content' },
  ],
  async run(call) {
    const { args, values, terminal } = call;
    const [name] = args;
    const file = values.text('event');
    const whole = file === undefined ? undefined : await readJson(file, '--event');
    if (whole !== undefined && !(isObject(whole) && isObject(whole.event))) {
      throw new CliError(EXIT.usage, '--event must hold {"id", "timestamp", "event": {…}}');
    }
    const given = isObject(whole) && isObject(whole.event) ? whole.event : undefined;
    const event = name ?? (typeof given?.['hub.event'] === 'string' ? given['hub.event'] : undefined);
    if (event === undefined)
      throw new CliError(EXIT.usage, 'which event?', 'lockstep publish Patient-open Patient/123');
    const context = given && args.length < 2 && !values.text('context') ? given.context : await contextOf(call);
    const access = await reachHub(call);
    const topic = await findTopic(call, access);
    const version = values.text('version') ?? given?.['context.versionId'];
    const id = values.text('id') ?? (isObject(whole) && typeof whole.id === 'string' ? whole.id : randomUUID());
    const message = {
      timestamp: new Date().toISOString(),
      id,
      event: {
        'hub.topic': topic,
        'hub.event': event,
        ...(version !== undefined && { 'context.versionId': version }),
        context,
      },
    };
    const headers = { 'content-type': 'application/json' };
    await askHub(access, '', { method: 'POST', headers, body: JSON.stringify(message) });
    terminal.result(message, () => `${terminal.style('green', 'accepted')}  ${event}  ${id}`);
    return EXIT.done;
  },
};
