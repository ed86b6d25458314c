import { join } from 'node:path';
import { CliError, type Command, EXIT } from '../command.ts';
import { DATA_OPTION, dataFolder, findServer } from '../local-server.ts';

export const restore: Command = {
  name: 'restore',
  takes: 'FILE',
  summary: 'Put a copy of the database in place, or check one',
  details:
    'The copy is read whole and compared with its checksums first. No server may run. What was there is kept as\nlockstep.db-before.',
  options: { check: { type: 'boolean', help: 'only check the copy; nothing is changed' }, ...DATA_OPTION },
  examples: [
    { line: 'lockstep restore monday.db --check', means: 'whether the copy can be used' },
    { line: 'lockstep restore monday.db', means: 'into ./data' },
  ],
  async run(call) {
    const { args, values, terminal } = call;
    const [file] = args;
    if (file === undefined) throw new CliError(EXIT.usage, 'the copy to restore is missing');
    const { checkBackup, restoreBackup } = await import('@lockstep/store-sqlite');
    const isCheck = values.flag('check');
    const data = dataFolder(call);
    if (!isCheck && (await findServer(call))) {
      throw new CliError(EXIT.refused, `a server runs on the data folder ${data}`, 'Stop it first.');
    }
    try {
      const report = isCheck ? checkBackup(file) : await restoreBackup(file, join(data, 'lockstep.db'));
      const { path, sessions, records, changes } = report;
      const what = isCheck ? 'is whole' : 'is restored';
      terminal.result(report, () => `${path} ${what}: ${sessions} sessions, ${records} records, ${changes} changes`);
      return EXIT.done;
    } catch (error) {
      throw new CliError(EXIT.failed, (error as Error).message);
    }
  },
};
