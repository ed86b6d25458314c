import { type Command, EXIT } from '../command.ts';
import { HUB_OPTIONS, listSessions, reachHub } from '../hub-access.ts';
import { table } from '../terminal.ts';

export const sessions: Command = {
  name: 'sessions',
  summary: 'List the sessions that may be joined',
  options: {
    ...HUB_OPTIONS,
    user: { type: 'string', short: 'u', value: 'USER', help: "this user's only" },
    workstation: { type: 'string', value: 'NAME', help: 'at this workstation only' },
  },
  examples: [
    { line: 'lockstep sessions', means: 'all that the local server has' },
    { line: 'lockstep sessions --user lokafor --json', means: "one user's, for programs" },
  ],
  async run(call) {
    const { values, terminal } = call;
    const filter: Record<string, string> = {};
    for (const name of ['user', 'workstation']) {
      const value = values.text(name);
      if (value !== undefined) filter[name] = value;
    }
    const list = await listSessions(await reachHub(call), filter);
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
