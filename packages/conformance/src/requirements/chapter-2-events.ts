import { elsewhere3, hub3, type Requirement } from './requirement.ts';

/** Sections 2.5 and 2.6 of FHIRcast 3.0.0, events sent and asked for: what a Hub has to do. */
export const EVENTS: readonly Requirement[] = [
  ...hub3('2.5 Receive Event Notification', '2-5-ReceiveEventNotification.html', [
    ['2.5-notify', 'The Hub SHALL notify Subscribers of workflow-related events to which the Subscriber is subscribed'],
    ['2.5-timestamp', 'ISO 8601-2 timestamp in UTC describing the time at which the event occurred'],
    ['2.5-id', 'This id SHALL be unique for the Hub, for example a UUID'],
    ['2.5-event', 'A JSON object describing the event'],
  ]),
  ...hub3('2.5 Event Notification Response', '2-5-ReceiveEventNotification.html#event-notification-response', [
    [
      '2.5-409',
      'The Subscriber refuses to follow the context change. The Hub SHALL send a `SyncError` indicating the event was refused',
    ],
    [
      '2.5-4xx',
      'Subscribers can return other appropriate 4xx HTTP statuses. The Hub SHALL send a `SyncError` indicating the event was refused',
    ],
    [
      '2.5-500',
      'There is an issue in the Subscriber preventing it from processing the event. The Hub SHALL send a `SyncError` indicating the event was not delivered',
    ],
    [
      '2.5-5xx',
      'it can send a 5xx status other than 500. The Hub SHALL send a `SyncError` indicating the event was not delivered',
    ],
    ['2.5-2xx', 'Any 2xx code indicates success, any other code indicates failure'],
    ['2.5-string-status', '"status": "200"', { level: 'SHOULD' }],
  ]),
  ...hub3('2.5 Event Notification Errors', '2-5-ReceiveEventNotification.html#event-notification-errors', [
    [
      '2.5-others',
      'If the Hub receives an error notification from a Subscriber, it SHALL generate a `SyncError` event to the other Subscribers of that topic',
    ],
    [
      '2.5-subscribed-error',
      '`SyncError` events are like other events in that they need to be subscribed to in order for a Subscriber to receive the notifications',
    ],
    [
      '2.5-same-structure',
      'they have the same structure as other events, the context being a single FHIR `OperationOutcome` resource',
    ],
    [
      '2.5-from-subscriber',
      'In addition to distributing `SyncError` events sent by one Subscriber to other Subscribers',
      { level: 'SHOULD' },
    ],
    [
      '2.5-unresponsive',
      'Upon communicating a `SyncError` resulting from an unresponsive Subscriber, the Hub SHALL unsubscribe the Subscriber',
    ],
    [
      '2.5-normal-close',
      'The Hub SHALL NOT generate `SyncError` events when a Subscriber closes its WebSocket connection to the Hub with a Connection Close Reason of 1000 (normal closure) or 1001 (going away)',
    ],
    [
      '2.5-lost',
      "A Subscriber's WebSocket connection is closed with any Connection Close Reason other than 1000 (normal closure) or 1001 (going away)",
      { level: 'MAY' },
    ],
  ]),
  ...hub3('2.5 Hub Generated open Events', '2-5-ReceiveEventNotification.html#hub-generated-open-events', [
    [
      '2.5-derive',
      'When distributing a received event, a Hub SHALL ensure open events for the referenced resource types of the received event are also sent to subscribers',
    ],
    ['2.5-no-duplicates', 'Hubs SHOULD NOT generate and send duplicative events', { level: 'SHOULD' }],
  ]),
  ...hub3('2.6 Send Event Notification', '2-6-SendEventNotification.html', [
    [
      '2.6-answer',
      'The Hub SHALL either accept this context change by responding with any successful HTTP status or reject it by responding with any 4xx or 5xx HTTP status',
    ],
    [
      '2.6-broadcast',
      'Once a requested context change is accepted, the Hub SHALL broadcast the context notification to all Subscribers, including the original requesting Subscriber',
    ],
    ['2.6-id', 'the Hub SHALL re-use this value in the broadcasted event notification'],
    ['2.6-case', 'Hubs and Subscribers SHALL be case insensitive for event-names'],
    ['2.6-required', 'ISO 8601-2 timestamp in UTC describing the time at which the event occurred'],
    ['2.6-fhir-json', 'Content-Type: application/fhir+json', { level: 'SHOULD' }],
    [
      '2.6-retried',
      'It is recommended to wait at least 10 seconds before resending the event. Note that such resend will use the timestamp of the original event to prevent race conditions',
      { level: 'SHOULD' },
    ],
  ]),
  ...elsewhere3('FHIR R4: decimal', 'https://hl7.org/fhir/R4/datatypes.html#decimal', [
    [
      'R4-decimal',
      'Implementations SHALL handle decimal values in ways that preserve and respect the precision of the value as represented for presentation purposes',
    ],
  ]),
  ...elsewhere3('RFC 6455 Ping', 'https://www.rfc-editor.org/rfc/rfc6455.html#section-5.5.2', [
    [
      'RFC6455-pong',
      'Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received a Close frame',
    ],
  ]),
  ...hub3('4.3 Security Considerations', '4-3-security-considerations.html#sources-of-risk', [
    [
      '4.3-endpoint',
      'An application’s credentials or a Hub’s lack of authentication could be used by a malicious system to control the user’s session',
      { level: 'SHOULD' },
    ],
  ]),
];
