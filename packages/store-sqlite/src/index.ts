export { type BackupReport, checkBackup, restoreBackup } from './backup.ts';
export { readLastChange } from './last-change.ts';
export { makeFolder } from './make-folder.ts';
export { openSqlite, type SqliteOptions, type SqliteStore } from './open.ts';
export type { FileStats } from './operations.ts';
export { UnusableDatabase, type UnusableReason } from './unusable-database.ts';
