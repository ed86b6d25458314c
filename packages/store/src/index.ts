export type * from './record-store.ts';
export type {
  Commit,
  CommitResult,
  Listening,
  LogBounds,
  LogEntry,
  LogHead,
  LogPage,
  LogPosition,
  SessionParts,
  SessionStore,
  StoredSession,
  StoreNotice,
  TopicPage,
} from './session-store.ts';
export { holdsPosition, StoreUnavailable } from './session-store.ts';
