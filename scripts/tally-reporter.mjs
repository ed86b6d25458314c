// A node:test reporter that counts leaf tests by file, for the closing line of `npm test`.
import { relative } from 'node:path';
import process from 'node:process';

export default async function* tally(source) {
  const passed = {};
  const failures = [];
  for await (const { type, data } of source) {
    if (data.details?.type === 'suite') continue;
    const file = relative(process.cwd(), data.file ?? '');
    if (type === 'test:pass') passed[file] = (passed[file] ?? 0) + 1;
    if (type === 'test:fail') failures.push({ file, name: data.name });
  }
  yield JSON.stringify({ passed, failures });
}
