import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyAudit, withFilled } from '../../audit/verify.ts';
import { CliError, type Command, EXIT } from '../command.ts';
import { DATA_OPTION, dataFolder } from '../local-server.ts';

/** `12:hash`, as the log says where the audit stands. */
function anchorOf(text: string): readonly [number, string] {
  const match = /^(\d+):([0-9a-f]{64})$/.exec(text);
  if (!match) throw new CliError(EXIT.usage, `--noted ${text}: give a record's number and hash, NUMBER:HASH`);
  return [Number(match[1]), match[2] ?? ''];
}

export const auditVerify: Command = {
  name: 'audit verify',
  takes: '[FILE ...]',
  summary: 'Check that no audit record was changed, taken out, put in or moved',
  details: `FILE is an audit file; several are one chain, in the order in which they are given. Without one it is the file of the
data folder or of LOCKSTEP_AUDIT, with those that were filled before it. A chain does not show by itself that records are missing
at its end: note number and hash, which this command and the server's log tell, and give them with --noted.`,
  options: {
    noted: {
      type: 'string',
      value: 'NUMBER:HASH',
      multiple: true,
      help: 'a record that must be there as it was noted',
    },
    ...DATA_OPTION,
  },
  examples: [
    { line: 'lockstep audit verify', means: "the local server's audit" },
    { line: 'lockstep audit verify old/audit-000000120000.jsonl audit.jsonl', means: 'files that were put elsewhere' },
  ],
  async run(call) {
    const { args, values, terminal, env } = call;
    const path = env.LOCKSTEP_AUDIT ?? join(dataFolder(call), 'audit.jsonl');
    const files = args.length > 0 ? args : await withFilled(path).catch(() => [path]);
    for (const file of files) {
      await stat(file).catch(() => {
        throw new CliError(EXIT.usage, `there is no audit file ${file}`, 'Name it, or the data folder with --data.');
      });
    }
    const result = await verifyAudit(files, new Map(values.list('noted').map(anchorOf)));
    terminal.result(result, () => {
      const { records, first, end, problems, torn } = result;
      const lines = problems.map(({ file, line, problem }) => `${file}${line > 0 ? `:${line}` : ''}: ${problem}`);
      if (torn) lines.push('a record was cut off when the server ended; the chain goes on after it');
      const range = end ? `, ${first} to ${end.number}` : '';
      lines.push(
        `${records} record${records === 1 ? '' : 's'}${range}: ${problems.length === 0 ? 'intact' : 'NOT intact'}`,
      );
      if (end) lines.push(`last record: ${end.number}:${end.hash}`);
      return lines.join('\n');
    });
    return result.problems.length === 0 ? EXIT.done : EXIT.failed;
  },
};
