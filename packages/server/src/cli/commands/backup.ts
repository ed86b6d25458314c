import { resolve } from 'node:path';
import { CliError, type Command, EXIT } from '../command.ts';
import { DATA_OPTION, requireServer } from '../local-server.ts';

export const backup: Command = {
  name: 'backup',
  takes: 'FILE',
  summary: 'Copy the database of the running server',
  details: 'Everything that the server had acknowledged before is in the copy. FILE must not exist yet.',
  options: DATA_OPTION,
  examples: [{ line: 'lockstep backup monday.db', means: 'a copy for lockstep restore' }],
  async run(call) {
    const [file] = call.args;
    if (file === undefined) throw new CliError(EXIT.usage, 'the file to copy to is missing');
    const report = await (await requireServer(call)).backup(resolve(file));
    const { path, sessions, records, bytes } = report;
    call.terminal.result(report, () => `${path} has ${sessions} sessions and ${records} records, ${bytes} bytes`);
    return EXIT.done;
  },
};
