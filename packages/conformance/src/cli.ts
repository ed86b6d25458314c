/** The suite at the command line. Everything it does is a call of the functions in `index.ts`. */
import process from 'node:process';
import { parse, UsageError } from './command/arguments.ts';
import { finish } from './command/finish.ts';
import { EXIT, HELP } from './command/help.ts';
import { list, ON_HUBS, ON_SUBSCRIBERS } from './command/listing.ts';
import { certifyReport, curl, load, matrix, replayCheck, verifyFile } from './command/reports.ts';
import { testHub, testSubscriber } from './command/runs.ts';
import { processTerminal, type SuiteTerminal } from './command/terminal.ts';
import { diffReports, renderDiff } from './report/diff.ts';

export { EXIT, type SuiteTerminal };

async function run(argv: readonly string[], terminal: SuiteTerminal): Promise<number> {
  const { values, positionals, settings } = parse(argv);
  const [command, first, second, ...others] = positionals;
  if (values.help || command === undefined || command === 'help') {
    terminal.out(HELP);
    return values.help || command === 'help' ? EXIT.conforms : EXIT.usage;
  }
  switch (command) {
    case 'hub':
      return testHub(first, values, terminal, settings);
    case 'subscriber':
      return values.list ? list(ON_SUBSCRIBERS, values, terminal) : testSubscriber(values, terminal, settings);
    case 'report':
      return finish(load(first), values, terminal, settings);
    case 'diff': {
      const diff = diffReports(load(first), load(second));
      terminal.out(renderDiff(diff));
      return diff.worse.length === 0 ? EXIT.conforms : EXIT.fails;
    }
    case 'matrix':
      return matrix(
        [first, second, ...others].filter((one) => one !== undefined),
        values,
        terminal,
      );
    case 'curl':
      return curl(first, second, terminal);
    case 'replay':
      return replayCheck(first, second, values, terminal);
    case 'certify':
      return certifyReport(first, values, terminal);
    case 'verify':
      return verifyFile(first, values, terminal);
    case 'checks':
      return list([...ON_HUBS, ...ON_SUBSCRIBERS], values, terminal);
    default:
      throw new UsageError(`there is no command ${command}`);
  }
}

/**
 * Runs the command with these arguments, the program's own name left out.
 * @returns the exit code; see {@link EXIT}
 */
export async function main(argv: readonly string[], terminal: SuiteTerminal = processTerminal()): Promise<number> {
  try {
    return await run(argv, terminal);
  } catch (error) {
    // Wrong options, and files that cannot be read or written; what the Hub does never throws.
    terminal.err(`${error instanceof Error ? error.message : error}\nfhircast-conformance --help says more\n`);
    return EXIT.usage;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
