/** The `lockstep` command: finds the command that was typed, reads its options, runs it, and says how it ended. */
import { createRequire } from 'node:module';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { CliError, type Command, EXIT, Values } from './command.ts';
import { serve } from './commands/serve.ts';
import { COMMANDS } from './commands.ts';
import { COMMON, commandHelp, overview } from './help.ts';
import { Terminal } from './terminal.ts';

const { version: VERSION } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** The command whose words the arguments begin with, and the arguments after them; `serve` where they begin with none. */
function find(argv: readonly string[]): { command: Command; rest: readonly string[] } | undefined {
  if (argv[0] === undefined || argv[0].startsWith('-')) return { command: serve, rest: argv };
  for (const words of [2, 1]) {
    const name = argv.slice(0, words).join(' ');
    const command = COMMANDS.find((one) => one.name === name);
    if (command) return { command, rest: argv.slice(words) };
  }
  return undefined;
}

function unknown(argv: readonly string[]): CliError {
  const [word = ''] = argv;
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${word} `)).map(({ name }) => name);
  if (group.length > 0) return new CliError(EXIT.usage, `${word} needs one of: ${group.join(', ')}`);
  return new CliError(EXIT.usage, `there is no command ${word}`, 'lockstep --help lists the commands.');
}

function parse(command: Command, argv: readonly string[]) {
  if (command.raw) return { values: {}, positionals: [...argv] };
  const options = Object.fromEntries(
    Object.entries({ ...command.options, ...COMMON }).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short && { short }), ...(multiple && { multiple }) },
    ]),
  );
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    const [sentence = ''] = (error as Error).message.split('. ');
    throw new CliError(EXIT.usage, sentence, `lockstep ${command.name} --help lists the options.`);
  }
}

/** What a command does not take is a mistake, such as `sessions ends`, and must not be passed over. */
function checkArguments({ name, takes = '', raw }: Command, args: readonly string[], rest: readonly string[]): void {
  if (raw) return;
  const [before = ''] = takes.split('--');
  const most = before.includes('...') ? args.length : before.split(/\s+/).filter((word) => /\w/.test(word)).length;
  const surplus = args[most] ?? (takes.includes('--') ? undefined : rest[0]);
  if (surplus === undefined) return;
  throw new CliError(
    EXIT.usage,
    `${name} takes no argument ${surplus}`,
    `lockstep ${name} --help tells what it takes.`,
  );
}

function checkChoices(command: Command, values: Values): void {
  for (const [name, { choices }] of Object.entries(command.options)) {
    const value = values.text(name);
    if (choices && value !== undefined && !choices.includes(value)) {
      throw new CliError(EXIT.usage, `--${name} must be one of ${choices.join(', ')}`);
    }
  }
}

/**
 * Runs the command line.
 * @param argv what follows the program's name
 * @returns the exit code
 */
export async function runCli(argv: readonly string[], env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<number> {
  const split = argv.indexOf('--');
  const before = split < 0 ? argv : argv.slice(0, split);
  const terminal = new Terminal(before.includes('--json'), env);
  try {
    const [first] = before;
    if (first === '--help' || first === '-h' || first === 'help') {
      const topic = first === 'help' ? find(before.slice(1)) : undefined;
      if (first === 'help' && !topic && before.length > 1) throw unknown(before.slice(1));
      terminal.raw(topic ? commandHelp(topic.command) : overview(COMMANDS));
      return EXIT.done;
    }
    if (first === '--version' || first === '-V') {
      terminal.result({ version: VERSION, node: process.version }, () => VERSION);
      return EXIT.done;
    }
    const found = find(before);
    if (!found) throw unknown(before);
    const { command, rest } = found;
    if (rest.includes('--help') || rest.includes('-h')) {
      terminal.raw(commandHelp(command));
      return EXIT.done;
    }
    const parsed = parse(command, rest);
    const values = new Values(parsed.values);
    checkChoices(command, values);
    const after = split < 0 ? [] : argv.slice(split + 1);
    checkArguments(command, parsed.positionals, after);
    return (await command.run({ values, args: parsed.positionals, rest: after, terminal, env, signal })) ?? EXIT.done;
  } catch (error) {
    const told = error instanceof CliError ? error : undefined;
    const exit = told?.exit ?? EXIT.failed;
    terminal.error(error instanceof Error ? error.message : String(error), told?.hint, exit);
    return exit;
  }
}
