import { CheckSkip, expect } from '../expecting.ts';
import type { PlayedSession } from './played-session.ts';
import { type SubscriberCheck, subscription } from './scenario.ts';

/** A check on the subscription request that came. */
export function onSubscription(
  id: string,
  title: string,
  requirement: string,
  judge: (session: PlayedSession) => void,
  more: Partial<SubscriberCheck> = {},
): SubscriberCheck {
  return {
    id,
    title,
    rule: 'SUB-1',
    requirements: [requirement],
    level: 'SHALL',
    run: async ({ session }) => judge(session),
    ...more,
  };
}

/** How an application subscribes. */
export const subscribing: readonly SubscriberCheck[] = [
  onSubscription('app-subscribes', 'The application subscribes by POST', 'S-post', (session) => {
    const { fields } = subscription(session);
    const missing = ['hub.mode', 'hub.topic', 'hub.events', 'hub.channel.type'].filter((name) => !fields.get(name));
    expect(
      missing.length === 0,
      'hub.channel.type, hub.mode, hub.topic and hub.events',
      `without ${missing.join(', ')}`,
    );
    const list = fields.get('hub.events') ?? '';
    expect(!/[\s;|]/.test(list.trim().replaceAll(', ', ',')), 'hub.events: names with commas between them', list);
  }),
  onSubscription('app-sends-form', 'Its request is a form', 'S-form', (session) => {
    const { contentType } = subscription(session);
    const right = /^application\/x-www-form-urlencoded\b/i.test(contentType);
    expect(right, 'Content-Type: application/x-www-form-urlencoded', contentType);
  }),
  onSubscription('app-fields-once', 'Every field comes once', 'S-once', (session) => {
    const { fields } = subscription(session);
    const twice = [...new Set(fields.keys())].filter((name) => fields.getAll(name).length > 1);
    expect(twice.length === 0, 'every field once', `${twice.join(', ')} more than once`);
  }),
  onSubscription('app-channel', 'It asks for a websocket', 'S-channel', (session) => {
    const type = subscription(session).fields.get('hub.channel.type');
    expect(type === 'websocket', 'hub.channel.type=websocket', type);
  }),
  onSubscription(
    'app-events-distinct',
    'It names no event twice',
    'S-events',
    (session) => {
      const events = (subscription(session).fields.get('hub.events') ?? '').toLowerCase().split(',');
      expect(new Set(events).size === events.length, 'every event once', events);
    },
    { level: 'SHOULD' },
  ),
  onSubscription('app-lease', 'A lease that it asks for is a positive whole number', 'S-lease', (session) => {
    const lease = subscription(session).fields.get('hub.lease_seconds');
    if (lease === null) throw new CheckSkip('The application asks for no lease');
    expect(/^[1-9]\d*$/.test(lease), 'hub.lease_seconds: a positive decimal integer', lease);
  }),
  onSubscription(
    'app-token',
    'It sends the access token as Bearer',
    'S-bearer',
    (session) => {
      const { authorization } = subscription(session);
      if (authorization === undefined)
        throw new CheckSkip('The application sends no Authorization header: it uses no OAuth 2.0');
      const right = authorization === `Bearer ${session.token}`;
      expect(right, 'Authorization: Bearer and the token it was given', right ? '' : 'another Authorization header');
    },
    { rule: 'SUB-4' },
  ),
];
