/** The `lockstep` command: reads what was typed, runs the command, and says how it ended. */
import { createRequire } from 'node:module';
import process from 'node:process';
import { CommanderError, type Command as Parser } from 'commander';
import { CliError, EXIT } from './command.ts';
import { COMMANDS } from './commands.ts';
import { createParser, nameOf, reached, runnable } from './parser.ts';
import { Terminal } from './terminal.ts';

const { version: VERSION } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** Letters in a line of help where the terminal has no width. */
const WIDTH = 120;

/** What is wrong with what was typed, with what to do about it. */
function wrongUse(parser: Parser, { code, message }: CommanderError): CliError {
  const name = parser.parent ? nameOf(parser) : '';
  if (code === 'commander.help') {
    return new CliError(EXIT.usage, `${name} needs one of: ${runnable(parser).map(nameOf).join(', ')}`);
  }
  if (code === 'commander.unknownCommand') {
    const [, suggestion = 'lockstep --help lists the commands.'] = message.split('\n');
    return new CliError(EXIT.usage, `there is no command ${[name, parser.args[0]].join(' ').trim()}`, suggestion);
  }
  if (code === 'commander.excessArguments') {
    const surplus = parser.args[parser.registeredArguments.length];
    return new CliError(
      EXIT.usage,
      `${name} takes no argument ${surplus}`,
      `lockstep ${name} --help tells what it takes.`,
    );
  }
  const [sentence = '', suggestion] = message.replace(/^error: /, '').split('\n');
  return new CliError(EXIT.usage, sentence, suggestion ?? `lockstep ${name} --help lists the options.`);
}

/** What was typed, with the command that is meant where none was named. */
function withCommand(argv: readonly string[]): readonly string[] {
  const [first] = argv;
  if (first === 'help') return [...argv.slice(1), '--help'];
  const isOption = first?.startsWith('-') && first !== '--help' && first !== '-h';
  return first === undefined || isOption ? ['serve', ...argv] : argv;
}

/**
 * Runs the command line.
 * @param argv what follows the program's name
 * @returns the exit code
 */
export async function runCli(argv: readonly string[], env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<number> {
  const split = argv.indexOf('--');
  const before = split < 0 ? argv : argv.slice(0, split);
  const rest = split < 0 ? [] : argv.slice(split + 1);
  const terminal = new Terminal(before.includes('--json'), env);
  try {
    const [first] = before;
    if (first === '--version' || first === '-V') {
      terminal.result({ version: VERSION, node: process.version }, () => VERSION);
      return EXIT.done;
    }
    let exit: number = EXIT.done;
    const parser = createParser(COMMANDS, process.stdout.columns ?? WIDTH, async (command, values, args) => {
      if (rest[0] !== undefined && !command.raw && !command.takes?.includes('--')) {
        const hint = `lockstep ${command.name} --help tells what it takes.`;
        throw new CliError(EXIT.usage, `${command.name} takes no argument ${rest[0]}`, hint);
      }
      exit = (await command.run({ values, args, rest, terminal, env, signal })) ?? EXIT.done;
    });
    const typed = withCommand(before);
    const meant = reached(parser, typed);
    try {
      // Of a command that is not there, nothing else is to be found wrong.
      await parser.parseAsync(meant === parser ? typed.slice(0, 1) : typed, { from: 'user' });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode !== 0) throw wrongUse(meant, error);
    }
    return exit;
  } catch (error) {
    const told = error instanceof CliError ? error : undefined;
    const exit = told?.exit ?? EXIT.failed;
    terminal.error(error instanceof Error ? error.message : String(error), told?.hint, exit);
    return exit;
  }
}
