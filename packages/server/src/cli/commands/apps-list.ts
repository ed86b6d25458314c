import { type Command, EXIT } from '../command.ts';
import { administer, DATA_OPTION } from '../local-server.ts';
import { table } from '../terminal.ts';

const text = (value: unknown): string => (Array.isArray(value) ? value.join(', ') : String(value ?? ''));

export const appsList: Command = {
  name: 'apps list',
  summary: 'List the registered apps',
  options: DATA_OPTION,
  examples: [{ line: 'lockstep apps list', means: 'with ids, launch kinds and status' }],
  async run(call) {
    const apps = await administer(call, (administration) => administration.apps());
    call.terminal.result(apps, () =>
      table([
        ['CLIENT ID', 'NAME', 'LAUNCH', 'STATUS'],
        ...apps.map((app) => [app.client_id, text(app.client_name), text(app.launch_kinds), text(app.status)]),
      ]),
    );
    return EXIT.done;
  },
};
