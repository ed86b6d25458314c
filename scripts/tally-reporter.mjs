// A node:test reporter that counts leaf tests, for the closing line of `npm test`.
import { relative } from 'node:path';
import process from 'node:process';

export default async function* tally(source) {
  let passed = 0;
  const failures = [];
  for await (const { type, data } of source) {
    if (type === 'test:pass' && data.details?.type !== 'suite') passed += 1;
    if (type === 'test:fail' && data.details?.type !== 'suite') {
      failures.push(`${relative(process.cwd(), data.file ?? '')}: ${data.name}`);
    }
  }
  yield JSON.stringify({ passed, failed: failures.length, failures });
}
