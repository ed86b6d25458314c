/** What goes over a subscriber's WebSocket, and to webhooks, as AsyncAPI 3.0. */
import { SCHEMAS, type Schema } from './schemas.ts';

/** What is said on the channels, by the name of the message; each is a schema of the same name. */
const MESSAGES = {
  Event: 'A context change, or a SyncError; the Hub sends none before the confirmation',
  EventAnswer: "A subscriber's answer to an event: the HTTP status says whether it follows",
  Confirmation: 'What was subscribed, sent once when the subscriber connects',
  Denial: 'The subscription has ended, and why',
  Ping: 'Asks whether the other side is there, for clients that cannot send WebSocket pings',
  Pong: 'The answer to a ping',
} as const satisfies Partial<Record<keyof typeof SCHEMAS, string>>;

type Message = keyof typeof MESSAGES;

const SENT: readonly Message[] = ['Confirmation', 'Event', 'Denial', 'Pong'];
const RECEIVED: readonly Message[] = ['EventAnswer', 'Event', 'Ping'];

export interface AsyncApiOptions {
  readonly publicUrl: string;
  readonly version: string;
  /** Names of the events that the Hub knows. */
  readonly events: readonly string[];
  /** Whether subscriptions may be webhooks. */
  readonly webhooks: boolean;
}

/** From the Hub's side: `send` is what it sends to subscribers. */
export function asyncApi({ publicUrl, version, events, webhooks }: AsyncApiOptions) {
  const { host, protocol, pathname } = new URL(publicUrl);
  const secure = protocol === 'https:';
  const names = Object.keys(MESSAGES) as Message[];
  const on = (channel: string, list: readonly Message[]) =>
    list.map((name) => ({ $ref: `#/channels/${channel}/messages/${name}` }));
  const carried = (list: readonly Message[]) =>
    Object.fromEntries(list.map((name) => [name, { $ref: `#/components/messages/${name}` }]));
  return {
    asyncapi: '3.0.0',
    info: { title: 'Lockstep Hub', version, license: { name: 'Apache-2.0' } },
    defaultContentType: 'application/json',
    servers: { hub: { host, protocol: secure ? 'wss' : 'ws', ...(pathname !== '/' && { pathname }) } },
    channels: {
      subscriber: {
        address: '/hub/ws/{endpoint}',
        description: 'The `hub.channel.endpoint` that a subscription was answered with; whoever knows it may connect',
        parameters: { endpoint: { description: 'Names the subscription' } },
        servers: [{ $ref: '#/servers/hub' }],
        messages: carried([...new Set([...SENT, ...RECEIVED])]),
      },
      ...(webhooks && {
        webhook: {
          address: null,
          description:
            'The `hub.callback` of a subscription of STU1 or STU2: events come by POST, the answer is the status',
          messages: carried(['Event']),
        },
      }),
    },
    operations: {
      tellSubscriber: {
        action: 'send',
        channel: { $ref: '#/channels/subscriber' },
        messages: on('subscriber', SENT),
      },
      hearSubscriber: {
        action: 'receive',
        channel: { $ref: '#/channels/subscriber' },
        messages: on('subscriber', RECEIVED),
      },
      ...(webhooks && {
        callWebhook: {
          action: 'send',
          channel: { $ref: '#/channels/webhook' },
          messages: on('webhook', ['Event']),
        },
      }),
    },
    components: {
      messages: Object.fromEntries(
        names.map((name) => [
          name,
          { name, summary: MESSAGES[name], payload: { $ref: `#/components/schemas/${name}` } },
        ]),
      ),
      schemas: Object.fromEntries(names.map((name) => [name, name === 'Event' ? withNames(events) : SCHEMAS[name]])),
    },
  };
}

/** The names are examples: others may be published too (FHIRcast 3.0.0, 2.3.1). */
function withNames(events: readonly string[]): Schema {
  const { event, ...rest } = SCHEMAS.Event.properties as Readonly<Record<string, Schema>>;
  const properties = event?.properties as Readonly<Record<string, Schema>>;
  const named = { ...properties, 'hub.event': { ...properties['hub.event'], examples: [...events] } };
  return { ...SCHEMAS.Event, properties: { ...rest, event: { ...event, properties: named } } };
}
