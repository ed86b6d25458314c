import { ending } from './ending.ts';
import { following } from './following.ts';
import { iraApplication } from './ira.ts';
import { publishing } from './publishing.ts';
import type { SubscriberCheck } from './scenario.ts';
import { subscribing } from './subscribing.ts';

export type { AppScenario, SubscriberCheck } from './scenario.ts';

/** Every check on an application. Those without `own` share one session, in this order. */
export const SUBSCRIBER_CHECKS: readonly SubscriberCheck[] = [
  ...subscribing,
  ...following,
  ...publishing,
  ...iraApplication,
  ...ending,
];
