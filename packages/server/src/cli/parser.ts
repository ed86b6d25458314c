/** What Commander reads the command line with: made of the table of commands. It parses, finds what is wrong, and writes the help texts. */
import { InvalidArgumentError, Command as Parser, Option as ParserOption } from 'commander';
import { type Command, EXIT, type Option, Values } from './command.ts';

/** Options that every command has. */
export const COMMON: Readonly<Record<string, Option>> = {
  json: { type: 'boolean', help: 'write JSON for programs; errors too, on the error stream' },
  help: { type: 'boolean', short: 'h', help: 'show this text' },
};

const EXIT_CODES = `Exit codes: ${EXIT.done} done, ${EXIT.failed} failed or a check found a problem, ${EXIT.usage} wrong use, ${EXIT.unreachable} not reachable, ${EXIT.refused} refused.`;

const OVERVIEW = `
Without a command it is serve. lockstep COMMAND --help tells more, lockstep --version which version this is.
Commands that need the server find the one whose data folder is --data, LOCKSTEP_DATA or ./data; commands that talk to a Hub take
any maker's with --hub.

${EXIT_CODES}`;

/** Takes what was typed for a command: its options and the arguments before `--`. */
type Run = (command: Command, values: Values, args: readonly string[]) => Promise<void>;

function flagsOf(name: string, { short, type, value = 'TEXT', choices }: Option): string {
  return `${short ? `-${short}, ` : ''}--${name}${type === 'string' ? ` <${choices?.join('|') ?? value}>` : ''}`;
}

/** @param parser the option's command: the name of another of its options is no value, but shows that the value is missing */
function optionOf(parser: Parser, name: string, option: Option): ParserOption {
  const made = new ParserOption(flagsOf(name, option), `${option.help}${option.multiple ? '; may be repeated' : ''}`);
  if (option.type === 'boolean') return made;
  if (option.choices) return made.choices(option.choices);
  return made.argParser<string | readonly string[]>((value, before = []) => {
    if (parser.options.some(({ short, long }) => value === short || value === long)) {
      throw new InvalidArgumentError('It is an option itself: the value is missing.');
    }
    return option.multiple ? [...before, value] : value;
  });
}

/** The values that were given, by the options' names. */
function valuesOf(parser: Parser): Values {
  const given = parser.opts<Record<string, unknown>>();
  return new Values(
    Object.fromEntries(
      parser.options.map((option) => {
        const value = given[option.attributeName()];
        return [option.name(), option.negate ? value === false : value];
      }),
    ),
  );
}

/** What stands before `--` in the help text. Commands say themselves what is missing. */
function addArguments(parser: Parser, { takes = '', raw }: Command): void {
  const [before = ''] = takes.split('--');
  if (raw || before.includes('...')) parser.argument('[ARGUMENT...]');
  else for (const word of before.match(/\w+/g) ?? []) parser.argument(`[${word}]`);
}

/** A text without the line breaks of its source; those before an empty or an indented line stay. */
function unwrapped(text: string): string {
  return text.replace(/(?<!\n)\n(?![\n ])/g, ' ');
}

function describe(parser: Parser, command: Command, run: Run): void {
  const { summary, details, options, examples, takes, raw } = command;
  parser
    .summary(summary)
    .description(`${summary}.${details ? `\n\n${unwrapped(details)}` : ''}`)
    .usage(`[options]${takes ? ` ${takes}` : ''}`)
    .allowUnknownOption(raw === true)
    .passThroughOptions(raw === true)
    .action(() => run(command, valuesOf(parser), parser.args));
  addArguments(parser, command);
  for (const [name, option] of Object.entries(options)) parser.addOption(optionOf(parser, name, option));
  if (!raw) parser.addOption(optionOf(parser, 'json', COMMON.json!));
  const lines = examples.map(({ line, means }) => `  # ${means}\n  ${line}`);
  parser.addHelpText('after', `\nExamples:\n${lines.join('\n')}\n\n${EXIT_CODES}`);
}

/** The words that lead to a command. */
export function nameOf(parser: Parser): string {
  return parser.parent?.parent ? `${nameOf(parser.parent)} ${parser.name()}` : parser.name();
}

/** The command that the words name, as far as they name one. */
export function reached(parser: Parser, [word, ...others]: readonly string[]): Parser {
  const next = parser.commands.find((one) => one.name() === word);
  return next ? reached(next, others) : parser;
}

/** What is below a command that can be run. */
export function runnable(parser: Parser): Parser[] {
  return parser.commands.flatMap((one) => [...(one.summary() ? [one] : []), ...runnable(one)]);
}

/**
 * @param width letters in a line of help
 * @param run called by `parseAsync`, which otherwise throws a CommanderError
 */
export function createParser(commands: readonly Command[], width: number, run: Run): Parser {
  const program = new Parser('lockstep')
    .usage('COMMAND [options]')
    .exitOverride()
    .enablePositionalOptions()
    .helpOption('-h, --help', COMMON.help!.help)
    .helpCommand(false)
    // What is wrong is thrown, and written by who catches it.
    .configureOutput({ getOutHelpWidth: () => width, writeErr: () => undefined })
    .configureHelp({
      visibleCommands: runnable,
      subcommandTerm: nameOf,
      // An example of a value says more than its choices in another spelling.
      optionDescription: ({ description }) => description,
      visibleArguments: () => [],
    })
    .addHelpText('after', OVERVIEW);
  for (const command of commands) {
    const words = command.name.split(' ');
    const parent = words.slice(0, -1).reduce((at, word) => {
      return at.commands.find((one) => one.name() === word) ?? at.command(word);
    }, program);
    describe(parent.command(words.at(-1) ?? ''), command, run);
  }
  return program;
}

/** The help text of a command, or of all. */
export function helpText(parser: Parser): string {
  const parts: string[] = [];
  parser.configureOutput({ writeOut: (part) => parts.push(part) });
  parser.outputHelp();
  return parts.join('');
}
