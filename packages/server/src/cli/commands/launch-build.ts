import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  buildArguments,
  buildLaunchFile,
  buildTicketUrl,
  buildWebLaunch,
  LaunchError,
  type LaunchParameters,
  posixCommandLine,
  windowsCommandLine,
} from '@lockstep/fhircast';
import { CliError, type Command, EXIT, type Option, type Values } from '../command.ts';

export const LAUNCH_OPTIONS: Readonly<Record<string, Option>> = {
  hub: { type: 'string', value: 'URL', help: 'hub.url' },
  topic: { type: 'string', short: 't', value: 'TOPIC', help: 'hub.topic' },
  user: { type: 'string', short: 'u', value: 'USER', help: "the user's name in the launching system" },
  param: { type: 'string', value: 'NAME=VALUE', multiple: true, help: 'a further value, such as credentials' },
};

/** The launch that options describe. @throws CliError */
export function launchOf(values: Values): LaunchParameters {
  const parameters: Record<string, string> = {};
  for (const one of values.list('param')) {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(one) ?? [];
    if (name === '') throw new CliError(EXIT.usage, `--param ${one} is not NAME=VALUE`);
    parameters[name] = value;
  }
  const user = values.text('user');
  return {
    hubUrl: values.required('hub'),
    topic: values.required('topic'),
    ...(user !== undefined && { user }),
    ...(Object.keys(parameters).length > 0 && { parameters }),
  };
}

interface Built {
  /** The launch as one text. */
  readonly text: string;
  /** The launch as arguments, where it is that. */
  readonly arguments?: readonly string[];
}

function build(form: string, values: Values): Built {
  if (form === 'ticket') {
    return { text: buildTicketUrl({ hubUrl: values.required('hub'), ticket: values.required('ticket') }) };
  }
  const launch = launchOf(values);
  const program = values.text('program');
  switch (form) {
    case 'web':
      return { text: buildWebLaunch(values.required('app'), launch) };
    case 'json':
    case 'ini':
      return { text: buildLaunchFile(launch, form).trimEnd() };
    default: {
      const args = buildArguments(launch, form === 'posix' ? 'posix' : 'windows');
      // Without a program the text is what follows it.
      const line = (form === 'posix' ? posixCommandLine : windowsCommandLine)(program ?? 'x', args);
      return { text: program === undefined ? line.slice(2) : line, arguments: args };
    }
  }
}

export const launchBuild: Command = {
  name: 'launch build',
  summary: 'Write a launch without SMART, in any of its forms',
  options: {
    form: {
      type: 'string',
      choices: ['windows', 'posix', 'web', 'json', 'ini', 'ticket'],
      help: 'windows: /hub.url:… (default); posix: --hub.url=…; web: an address; json, ini: a launch file',
    },
    ...LAUNCH_OPTIONS,
    app: { type: 'string', value: 'URL', help: "form web: the app's launch URL" },
    program: { type: 'string', value: 'PATH', help: 'forms windows and posix: the program that the line begins with' },
    ticket: { type: 'string', value: 'TICKET', help: 'form ticket: the ticket' },
    drop: { type: 'string', value: 'FOLDER', file: true, help: 'forms json and ini: put the file into this folder' },
  },
  examples: [
    {
      line: 'lockstep launch build --hub https://hub.example.com --topic T --user jsmith --program PACS.exe',
      means: 'switches',
    },
    {
      line: 'lockstep launch build --form web --app https://app.example.com/launch.html --hub https://hub.example.com --topic T',
      means: 'an address',
    },
    {
      line: 'lockstep launch build --form json --drop ./launches --hub https://hub.example.com --topic T',
      means: 'a file in a watched folder',
    },
  ],
  async run({ values, terminal }) {
    const form = values.text('form') ?? 'windows';
    let built: Built;
    try {
      built = build(form, values);
    } catch (error) {
      if (error instanceof LaunchError) throw new CliError(EXIT.usage, error.message);
      throw error;
    }
    const folder = values.text('drop');
    if (folder === undefined) {
      terminal.result({ form, ...built }, () => built.text);
      return EXIT.done;
    }
    if (form !== 'json' && form !== 'ini') throw new CliError(EXIT.usage, '--drop is for the forms json and ini');
    const file = join(folder, `launch-${randomUUID()}.${form}`);
    // Whole or not at all: the app may look at any moment.
    const part = join(folder, `.${randomUUID()}.part`);
    await writeFile(part, `${built.text}\n`, { mode: 0o600 });
    await rename(part, file);
    terminal.result({ form, file }, () => file);
    return EXIT.done;
  },
};
