// Commits while one watcher throws and prints what is seen of it.
import process from 'node:process';
import { openSqlite } from '../src/index.ts';
import { WIDE } from './folder.ts';

process.on('uncaughtException', (error) => console.log(`uncaught: ${error.message}`));
const store = await openSqlite({ path: process.argv[2]!, log: WIDE });
store.sessions.watch(() => {
  throw new Error('a defect of the watcher');
});
store.sessions.watch((notice) => console.log(`told of ${notice.kind}`));
const result = await store.sessions.commit({ topic: 'a', expected: 0, at: 1, parts: new Map(), append: [] });
setImmediate(() => console.log(`committed ${result.revision}`));
await store.close();
