export { type BackupReport, checkBackup, restoreBackup } from './backup.ts';
export { openSqlite, type SqliteOptions, type SqliteStore } from './open.ts';
export type { FileStats, UnusableReason } from './operations.ts';
export { UnusableDatabase } from './unusable-database.ts';
