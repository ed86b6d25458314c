import { type Command, EXIT, type Option } from './command.ts';
import { table } from './terminal.ts';

/** Options that every command has. */
export const COMMON: Readonly<Record<string, Option>> = {
  json: { type: 'boolean', help: 'write JSON for programs; errors too, on the error stream' },
  help: { type: 'boolean', short: 'h', help: 'show this text' },
};

export const EXIT_CODES = `Exit codes: ${EXIT.done} done, ${EXIT.failed} failed or a check found a problem, ${EXIT.usage} wrong use, ${EXIT.unreachable} not reachable, ${EXIT.refused} refused.`;

function spelling(name: string, { short, type, value = 'TEXT', choices }: Option): string {
  const shown = type === 'string' ? ` ${choices ? choices.join('|') : value}` : '';
  return `${short ? `-${short}, ` : '    '}--${name}${shown}`;
}

function optionList(options: Readonly<Record<string, Option>>): string {
  const rows = Object.entries(options).map(([name, option]) => {
    return [`  ${spelling(name, option)}`, `${option.help}${option.multiple ? '; may be repeated' : ''}`];
  });
  return table(rows);
}

/** The text of `lockstep COMMAND --help`. */
export function commandHelp({ name, summary, takes, details, options, examples, raw }: Command): string {
  const parts = [
    `lockstep ${name}${raw || Object.keys(options).length > 0 ? ' [options]' : ''}${takes ? ` ${takes}` : ''}`,
    `${summary}.${details ? `\n\n${details}` : ''}`,
    ...(raw ? [] : [`Options:\n${optionList({ ...options, ...COMMON })}`]),
    `Examples:\n${examples.map(({ line, means }) => `  # ${means}\n  ${line}`).join('\n')}`,
    EXIT_CODES,
  ];
  return `${parts.join('\n\n')}\n`;
}

/** The text of `lockstep --help`. */
export function overview(commands: readonly Command[]): string {
  const list = table(commands.map(({ name, summary }) => [`  ${name}`, summary]));
  return `lockstep COMMAND [options]

${list}

Without a command it is serve. lockstep COMMAND --help tells more, lockstep --version which version this is.
Commands that need the server find the one whose data folder is --data, LOCKSTEP_DATA or ./data; commands that talk to a Hub take
any maker's with --hub.

${EXIT_CODES}
`;
}
