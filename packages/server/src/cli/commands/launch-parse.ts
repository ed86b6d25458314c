import process from 'node:process';
import { text as readAll } from 'node:stream/consumers';
import { LaunchError, parseArguments } from '@lockstep/fhircast';
import { CliError, type Command, EXIT } from '../command.ts';
import { readLaunch, readTicket } from '../launch-text.ts';

export const launchParse: Command = {
  name: 'launch parse',
  takes: 'TEXT | -- SWITCH ...',
  summary: 'Read a launch without SMART, whatever its form',
  details:
    'TEXT is an address, a command line, a ticket, the content of a launch file or a path to one; - reads standard input. A\ntext that begins with - comes after --.',
  options: {},
  examples: [
    {
      line: "lockstep launch parse 'https://app.example.com/launch.html?hub.url=https%3A%2F%2Fhub.example.com&hub.topic=T'",
      means: 'an address',
    },
    { line: 'lockstep launch parse -- /user:jsmith /hub.url:https://hub.example.com /hub.topic:T', means: 'switches' },
    { line: 'lockstep launch parse launches/launch-1.json --json', means: 'a file, for programs' },
  ],
  async run({ args, rest, terminal }) {
    // No switch alone is a launch: what comes alone is a text.
    const [text] = rest.length === 1 ? rest : args;
    const switches = rest.length > 1 ? rest : undefined;
    if (text === undefined && !switches) throw new CliError(EXIT.usage, 'there is nothing to read');
    try {
      const given = text === '-' ? await readAll(process.stdin) : (text ?? '');
      const ticket = switches ? undefined : readTicket(given);
      if (ticket) {
        terminal.result(
          { form: 'ticket', ...ticket },
          () => `form    ticket\nhub     ${ticket.hubUrl}\nticket  ${ticket.ticket}`,
        );
        return EXIT.done;
      }
      const { form, launch } = switches
        ? { form: 'switches', launch: parseArguments(switches) }
        : await readLaunch(given);
      terminal.result({ form, ...launch }, () =>
        [
          `form   ${form}`,
          `hub    ${launch.hubUrl}`,
          `topic  ${launch.topic}`,
          ...(launch.user === undefined ? [] : [`user   ${launch.user}`]),
          ...Object.entries(launch.parameters ?? {}).map(([name, value]) => `${name}  ${value}`),
        ].join('\n'),
      );
      return EXIT.done;
    } catch (error) {
      if (error instanceof LaunchError) throw new CliError(EXIT.failed, error.message);
      throw error;
    }
  },
};
