// Opens the file and prints how that went.
import process from 'node:process';
import { openSqlite, UnusableDatabase } from '../src/index.ts';
import { WIDE } from './folder.ts';

try {
  const store = await openSqlite({ path: process.argv[2]!, log: WIDE });
  await store.close();
  console.log('opened');
} catch (error) {
  console.log(error instanceof UnusableDatabase ? error.reason : String(error));
}
