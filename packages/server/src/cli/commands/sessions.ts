import { type Command, EXIT } from '../command.ts';
import { listSessions, reachHub, SESSION_OPTIONS, sessionFilter } from '../hub-access.ts';
import { table } from '../terminal.ts';

export const sessions: Command = {
  name: 'sessions',
  summary: 'List the sessions that may be joined',
  options: SESSION_OPTIONS,
  examples: [
    { line: 'lockstep sessions', means: 'all that the local server has' },
    { line: 'lockstep sessions --user lokafor --json', means: "one user's, for programs" },
  ],
  async run(call) {
    const { terminal } = call;
    const list = await listSessions(await reachHub(call), sessionFilter(call));
    terminal.result(list, () =>
      list.length === 0
        ? 'there are no sessions'
        : table([
            ['TOPIC', 'USER', 'WORKSTATION', 'STARTED', 'OPEN', 'SUBSCRIBERS'],
            ...list.map((one) => [
              one['hub.topic'],
              one.user ?? '',
              one.workstation ?? '',
              one.started ?? '',
              one.context?.['context.type'] ?? '',
              (one.subscribers ?? []).join(', '),
            ]),
          ]),
    );
    return EXIT.done;
  },
};
