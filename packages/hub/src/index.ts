export { type FhircastConfiguration, fhircastConfiguration } from './capabilities.ts';
export { Hub } from './hub.ts';
export type { HubOptions, HubPorts } from './options.ts';
export type * from './ports.ts';
export { runningTime } from './ports.ts';
export type { Answer } from './requests/answers.ts';
export type { ConnectedSubscriber, FoundEndpoint } from './requests/connecting.ts';
export type { Invited, Joined } from './requests/invitations.ts';
export type { SessionListing, SessionPage } from './requests/sessions.ts';
export type { Subscribed } from './requests/subscribing.ts';
export { notFollowing } from './rules/following.ts';
export type { Access, AccessEnd } from './rules/permission.ts';
export type { ReasonCode } from './rules/reasons.ts';
export {
  type Acknowledgements,
  type Anchor,
  contextOf,
  type SessionGuest,
  type SessionInfo,
  type SessionState,
  type Subscription,
} from './rules/session-state.ts';
export {
  CORE,
  IRA,
  STU1,
  STU2,
  VERSIONS,
  type VersionName,
  type VersionRules,
  versionNamed,
} from './rules/versions.ts';
export { NodeLease, type NodeLeaseOptions } from './stored/node-lease.ts';
