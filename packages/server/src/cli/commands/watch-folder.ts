import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { buildArguments, buildWebLaunch, type LaunchParameters } from '@lockstep/fhircast';
import { CliError, type Command, EXIT } from '../command.ts';
import { LaunchFolder } from '../launch-folder.ts';

export const watchFolder: Command = {
  name: 'watch-folder',
  takes: 'FOLDER [-- PROGRAM ...]',
  summary: 'Take launches out of a folder and pass them on',
  details: `Each file (.json, .ini, .txt, .launch) is taken once and deleted. Without a program the launch is printed; with one
after --, the program is started with its switches, beside those started before. Files that are no launches stay.`,
  options: {
    app: { type: 'string', value: 'URL', help: 'print the address that launches this web app' },
    posix: { type: 'boolean', help: 'switches as --hub.url=…, not /hub.url:…' },
    count: { type: 'string', short: 'n', value: 'N', help: 'end after this many launches' },
  },
  examples: [
    { line: 'lockstep watch-folder ./launches --json', means: 'a JSON line for each launch' },
    { line: 'lockstep watch-folder ./launches -- ./pacs', means: 'start ./pacs /hub.url:… /hub.topic:… for each' },
    {
      line: 'lockstep watch-folder ./launches --app https://app.example.com/launch.html',
      means: 'the address to open for each',
    },
  ],
  async run({ args, rest, values, terminal, signal }) {
    const [folder] = args;
    if (folder === undefined) throw new CliError(EXIT.usage, 'which folder?');
    const found = await stat(folder).catch(() => undefined);
    if (!found?.isDirectory()) throw new CliError(EXIT.usage, `${folder} is no folder`);
    const count = values.number('count');
    const app = values.text('app');
    const style = values.flag('posix') ? 'posix' : 'windows';
    const [program, ...given] = rest;
    const ended = new AbortController();
    let launches = 0;

    function start(launch: LaunchParameters, path: string): void {
      const child = spawn(path, [...given, ...buildArguments(launch, style)], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      child.once('error', (error) =>
        terminal.error(`${path} cannot be started: ${error.message}`, undefined, EXIT.failed),
      );
    }

    const events = {
      launched: (launch: LaunchParameters, name: string): void => {
        const address = app === undefined ? undefined : buildWebLaunch(app, launch);
        const value = { file: name, ...launch, ...(address !== undefined && { url: address }) };
        terminal.item(
          value,
          () => address ?? `${name}: ${launch.hubUrl} ${launch.topic}${launch.user ? ` ${launch.user}` : ''}`,
        );
        if (program !== undefined) start(launch, program);
        launches += 1;
        if (count !== undefined && launches >= count) ended.abort();
      },
      unreadable: (name: string, reason: string): void => terminal.note(`${name}: ${reason}`),
    };
    terminal.progress(`watching ${folder}`);
    await new LaunchFolder(folder, events).watch(AbortSignal.any([signal, ended.signal]));
    return EXIT.done;
  },
};
