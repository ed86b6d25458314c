import { type Command, EXIT } from '../command.ts';
import { administer, DATA_OPTION } from '../local-server.ts';
import { table } from '../terminal.ts';

export const usersList: Command = {
  name: 'users list',
  summary: 'List the users',
  options: DATA_OPTION,
  examples: [{ line: 'lockstep users list', means: 'with references and aliases' }],
  async run(call) {
    const users = await administer(call, (administration) => administration.users());
    call.terminal.result(users, () =>
      table([
        ['NAME', 'FULL NAME', 'REFERENCE', 'ALIASES', 'ROLE', 'STATUS'],
        ...users.map(({ id, name, reference, aliases, administrator, status }) => {
          return [id, name, reference, aliases.join(', '), administrator ? 'administrator' : '', status];
        }),
      ]),
    );
    return EXIT.done;
  },
};
