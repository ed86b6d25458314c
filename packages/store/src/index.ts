export type * from './record-store.ts';
export type {
  Commit,
  CommitResult,
  LogBounds,
  LogEntry,
  Parts,
  SessionStore,
  StoredSession,
  StoreNotice,
} from './session-store.ts';
export { StoreUnavailable } from './session-store.ts';
