export type { NotFollowing } from '@lockstep/fhircast';
export { type Handled, type HandlerResult, Refusal, refuse } from './answers.ts';
export { type Connection, fromSmart } from './connection.ts';
export type { Content, Context, Resources, ResourceTypes } from './context.ts';
export { type EventName, HubEvent, type ResourceOf, type ResourcesOf } from './events.ts';
export {
  type AnyResource,
  type Change,
  type Follow,
  type Follower,
  type Handler,
  HubError,
  type Published,
  type SubscriberOptions,
  type TokenSource,
} from './options.ts';
export type { Clock, Environment, Ports, Sign, Socket, SocketConstructor } from './ports.ts';
export { Subscriber } from './subscriber.ts';
export type { Consent } from './survey.ts';
export { type Shown, type Standing, type SyncState, syncState } from './sync-state.ts';
export type { Changes } from './updater.ts';
