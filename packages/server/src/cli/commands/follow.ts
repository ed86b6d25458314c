import { stat } from 'node:fs/promises';
import process from 'node:process';
import { type Context, type EventName, type Handled, type HubEvent, refuse, Subscriber } from '@lockstep/client';
import { type Call, CliError, type Command, EXIT } from '../command.ts';
import { stateLine } from '../event-text.ts';
import { callsAddress, opensAddress, type ProgramAction, runs, writesFile } from '../follow/actions.ts';
import { ContextValues, PlaceholderError } from '../follow/placeholders.ts';
import { type PublishEvent, publishFolder, publishLines, publishPort } from '../follow/publishing.ts';
import { findTopic, HUB_OPTIONS, reachHub } from '../hub-access.ts';

const EVENTS = 'Patient-open,Encounter-open,ImagingStudy-open,DiagnosticReport-open,UserLogout';

/** What is to be done at each change, in the order of the options. @throws CliError when there is nothing */
function actionsOf({ values, rest }: Call): readonly ProgramAction[] {
  const [open, write, call] = [values.text('open'), values.text('write'), values.text('call')];
  const actions = [
    ...(write === undefined ? [] : [writesFile(write, values.text('text'))]),
    ...(call === undefined ? [] : [callsAddress(call)]),
    ...(open === undefined ? [] : [opensAddress(open)]),
    ...(rest.length === 0 ? [] : [runs(rest, !values.flag('no-wait'))]),
  ];
  const publishes = values.text('publish-folder') ?? values.text('publish-port') ?? values.flag('publish-stdin');
  if (actions.length === 0 && !publishes) {
    throw new CliError(
      EXIT.usage,
      'nothing to keep on the context: give -- PROGRAM, --open, --write or --call',
      'lockstep follow --write context.json',
    );
  }
  return actions;
}

/** Does all of it, one after the other; the first that does not follow is the answer. */
async function applyAll(actions: readonly ProgramAction[], change: Parameters<ProgramAction>[0]): Promise<Handled> {
  let outcome: Handled = 200;
  for (const action of actions) {
    outcome = await action(change);
    if (typeof outcome !== 'number' || outcome >= 300) return outcome;
  }
  return outcome;
}

async function checkedFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) throw new CliError(EXIT.usage, `--publish-folder: ${path} is no folder`);
  return path;
}

/** Starts the ways in which the program may change the context itself. */
async function startPublishing(
  call: Call,
  publish: PublishEvent,
  signal: AbortSignal,
  inputEnded: () => void,
): Promise<void> {
  const { values, terminal } = call;
  const folder = values.text('publish-folder');
  const port = values.number('publish-port');
  const failed = (error: Error): void => terminal.error(error.message, undefined, EXIT.failed);
  if (folder !== undefined) publishFolder(await checkedFolder(folder), publish, signal).catch(failed);
  if (port !== undefined) terminal.note(`publish to http://127.0.0.1:${await publishPort(port, publish, signal)}/`);
  if (values.flag('publish-stdin')) {
    publishLines(process.stdin, publish, (line) => terminal.line(line), signal).then(inputEnded, failed);
  }
}

export const follow: Command = {
  name: 'follow',
  takes: '[-- PROGRAM [ARGUMENT ...]]',
  summary: 'Keep one program of this machine on the context',
  details: `At each change of the context the program is run, an address is opened or called, or a file is written. {placeholders} stand
for values of the context: {patient.id}, {patient.identifier.MR} (by type code or system), {patient.name}, {patient.birthDate},
{study.accession}, {study.uid}, {encounter.id}, {report.id}, {event}. While nothing is open they are empty.
The program's exit status is the answer: 0 follows, any other refuses, and the other applications get a SyncError. A context without
a value that is asked for is refused.
The program may publish as well: a line, a file or a request with {"event": "Patient-open", "context": [ … ]}, or in a line
or file the words of lockstep publish.`,
  options: {
    events: { type: 'string', short: 'e', value: 'LIST', help: `events to follow, separated by commas; ${EVENTS}` },
    name: { type: 'string', value: 'NAME', help: 'the name in the SyncError when the program does not follow' },
    open: { type: 'string', value: 'URL', help: 'open this address, with any scheme' },
    write: { type: 'string', value: 'FILE', file: true, help: 'write this file' },
    text: { type: 'string', value: 'TEXT', help: 'what --write writes; JSON with event and context' },
    call: { type: 'string', value: 'URL', help: 'POST the context to this address; its status is the answer' },
    'no-wait': { type: 'boolean', help: 'the program goes on running: answer 202 when it has started' },
    'refuse-empty': { type: 'boolean', help: 'the program cannot show nothing: refuse when the context is closed' },
    within: { type: 'string', value: 'SECONDS', help: 'time for each change; 9' },
    'publish-stdin': { type: 'boolean', help: 'publish each line of the standard input; end with it' },
    'publish-folder': { type: 'string', value: 'FOLDER', file: true, help: 'publish each file of this folder' },
    'publish-port': { type: 'string', value: 'PORT', help: 'publish what is posted to this port of 127.0.0.1' },
    ...HUB_OPTIONS,
  },
  examples: [
    { line: "lockstep follow -- ./pacs --patient '{patient.identifier.MR}'", means: 'run a program for each patient' },
    {
      line: "lockstep follow --open 'oldris://show?acc={study.accession}'",
      means: 'open an address of its own scheme',
    },
    { line: "lockstep follow --write current.txt --text '{patient.id}'", means: 'keep a file up to date' },
    {
      line: 'lockstep follow --call http://127.0.0.1:7070/context --publish-port 7071',
      means: 'both directions by HTTP',
    },
  ],
  async run(call) {
    const { values, terminal, signal, rest } = call;
    const actions = actionsOf(call);
    const within = (values.number('within') ?? 9) * 1000;
    const access = await reachHub(call);
    const topic = await findTopic(call, access);
    const { token } = access;
    if (token) await token(false);
    const ended = new AbortController();
    let refused: string | undefined;
    const subscriber = new Subscriber({
      hubUrl: access.hubUrl,
      topic,
      events: (values.text('events') ?? EVENTS).split(',').map((name) => name.trim() as EventName),
      name: values.text('name') ?? rest[0] ?? 'lockstep follow',
      ...(token && { token }),
      onError: (error) => terminal.note(String(error)),
    });
    subscriber.onState((state) => {
      terminal.item({ kind: 'state', ...state }, () => stateLine(state, terminal));
      if (state.status === 'closed' && !ended.signal.aborted && !signal.aborted) {
        refused = state.reason;
        ended.abort();
      }
    });
    subscriber.follow(async (context: Context | undefined, event: HubEvent): Promise<Handled> => {
      if (!context && values.flag('refuse-empty')) return refuse('the program cannot show an empty context');
      try {
        const change = {
          context,
          event: event.name,
          values: new ContextValues(context, { event: event.name, type: context?.type ?? '', topic }),
          signal: AbortSignal.any([event.signal, AbortSignal.timeout(within)]),
        };
        return await applyAll(actions, change);
      } catch (error) {
        if (error instanceof PlaceholderError) return refuse(error.message);
        throw error;
      }
    });
    const end = AbortSignal.any([signal, ended.signal]);
    const publish: PublishEvent = async ({ name, context }) =>
      (await subscriber.publish(name as EventName, context)).id;
    void subscriber.connect();
    await startPublishing(call, publish, end, () => ended.abort());
    if (!end.aborted) await new Promise((resolve) => end.addEventListener('abort', resolve, { once: true }));
    ended.abort();
    await subscriber.unsubscribe();
    if (refused !== undefined) throw new CliError(EXIT.refused, refused);
    return EXIT.done;
  },
};
