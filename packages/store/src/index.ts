export type * from './record-store.ts';
export type {
  Commit,
  CommitResult,
  Listening,
  LogBounds,
  LogBytes,
  LogEntry,
  LogEntryBytes,
  LogHead,
  LogPage,
  LogPosition,
  SessionParts,
  SessionStore,
  StoredSession,
  StoreNotice,
  TopicPage,
} from './session-store.ts';
export { holdsPosition, logBytes, StoreUnavailable } from './session-store.ts';
