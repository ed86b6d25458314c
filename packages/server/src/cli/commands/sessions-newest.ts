import { CliError, type Command, EXIT } from '../command.ts';
import { listSessions, newestOf, reachHub, SESSION_OPTIONS, sessionFilter } from '../hub-access.ts';

export const sessionsNewest: Command = {
  name: 'sessions newest',
  summary: 'Print the topic of the session that was started last',
  options: SESSION_OPTIONS,
  examples: [
    { line: 'lockstep listen --topic $(lockstep sessions newest)', means: 'with several sessions open' },
    { line: 'lockstep sessions newest --user lokafor', means: "one user's" },
  ],
  async run(call) {
    const newest = newestOf(await listSessions(await reachHub(call), sessionFilter(call)));
    if (!newest) {
      throw new CliError(EXIT.refused, 'there is no session', 'lockstep sessions open --user USER makes one.');
    }
    call.terminal.result(newest, () => newest['hub.topic']);
    return EXIT.done;
  },
};
