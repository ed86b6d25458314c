import { textOf } from '@lockstep/fhircast';
import type { Administration, AppView } from '../../admin/administration.ts';
import { type Command, EXIT } from '../command.ts';
import { administer, DATA_OPTION } from '../local-server.ts';
import { table } from '../terminal.ts';

const text = (value: unknown): string => [value].flat().map(textOf).join(', ');

async function allApps(administration: Administration): Promise<readonly AppView[]> {
  const all: AppView[] = [];
  let next: string | undefined;
  do {
    const page = await administration.apps(next);
    all.push(...page.apps);
    next = page.next;
  } while (next !== undefined);
  return all;
}

export const appsList: Command = {
  name: 'apps list',
  summary: 'List the registered apps',
  options: DATA_OPTION,
  examples: [{ line: 'lockstep apps list', means: 'with ids, launch kinds and status' }],
  async run(call) {
    const apps = await administer(call, allApps);
    call.terminal.result(apps, () =>
      table([
        ['CLIENT ID', 'NAME', 'LAUNCH', 'STATUS'],
        ...apps.map((app) => [app.client_id, text(app.client_name), text(app.launch_kinds), text(app.status)]),
      ]),
    );
    return EXIT.done;
  },
};
