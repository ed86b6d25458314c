import type { Check } from '../check.ts';
import { sessionsApart } from './apart.ts';
import { authorization } from './authorization.ts';
import { contentSharing } from './content.ts';
import { currentContext } from './current-context.ts';
import { delivery } from './delivery.ts';
import { derived } from './derived.ts';
import { discovery } from './discovery.ts';
import { ira } from './ira.ts';
import { lateJoiner } from './late-joiner.ts';
import { publishing } from './publishing.ts';
import { restarts } from './restarts.ts';
import { rights } from './rights.ts';
import { sameAsPublished } from './same.ts';
import { sequences } from './sequences.ts';
import { soak } from './soak.ts';
import { subscribing } from './subscribing.ts';
import { subscriptions } from './subscriptions.ts';
import { syncErrors } from './sync-errors.ts';
import { unsubscribing } from './unsubscribing.ts';
import { updates } from './updates.ts';
import { webhooks } from './webhooks.ts';

/** Every check on a Hub, in the order of the specification. */
export const HUB_CHECKS: readonly Check[] = [
  ...discovery,
  ...authorization,
  ...rights,
  ...subscribing,
  ...subscriptions,
  ...lateJoiner,
  ...unsubscribing,
  ...publishing,
  ...delivery,
  ...sameAsPublished,
  ...soak,
  ...sessionsApart,
  ...derived,
  ...syncErrors,
  ...currentContext,
  ...updates,
  ...contentSharing,
  ...sequences,
  ...webhooks,
  ...ira,
  ...restarts,
];
