import { type Requirement, subscriber3 } from './requirement.ts';

/** What FHIRcast asks of an application; for the suite that plays a Hub. */
export const SUBSCRIBER: readonly Requirement[] = [
  ...subscriber3('2 Specification', '2_Specification.html', [
    [
      'S-json',
      'All data exchanged through the HTTP APIs SHALL be formatted, sent, and received as JSON structures (unless otherwise specified), and SHALL be transmitted over channels secured using the Hypertext Transfer Protocol (HTTP) over Transport Layer Security (TLS)',
    ],
  ]),
  ...subscriber3('2.2 FHIRcast Scopes', '2-2-FhircastScopes.html', [
    [
      'S-write',
      'a scope of `fhircast/Patient-open.write` authorizes the subscribing application to request a notification',
      { level: 'SHOULD' },
    ],
  ]),
  ...subscriber3('2.3 Events', '2-3-Events.html', [
    ['S-full-resource', 'Subscribers SHALL accept a full FHIR resource as defined in the Event Catalog'],
    ['S-required', 'An event SHALL contain all required data fields'],
    ['S-anchor', 'Context change events SHALL include the resource the context change relates to'],
  ]),
  ...subscriber3('2.4 Subscribing', '2-4-Subscribing.html', [
    [
      'S-post',
      "the subscribing application SHALL perform an HTTP POST to the Hub's base URL (as specified in `hub.url`) with the parameters in the table below",
    ],
    ['S-once', 'Each parameter SHALL appear at most one time'],
    ['S-form', 'This request SHALL have a `Content-Type` header of `application/x-www-form-urlencoded`'],
    ['S-channel', 'The Subscriber SHALL specify the channel type of `websocket`'],
    [
      'S-bearer',
      'If OAuth 2.0 authentication is used, this POST request SHALL contain the Bearer access token in the HTTP Authorization header',
    ],
    ['S-events', 'The list is treated as a set, so repeated elements SHOULD NOT be used', { level: 'SHOULD' }],
    ['S-case', 'Hubs and Subscribers SHALL be case insensitive for event-names'],
    [
      'S-lease',
      'Number of seconds for which the Subscriber would like to have the subscription active, given as a positive decimal integer',
    ],
    ['S-renew', 'If the Subscriber wishes to continue the subscription it MAY resubscribe', { level: 'MAY' }],
    [
      'S-new-endpoint',
      'A subsequent subscription SHALL be done over a newly created and communicated WebSocket endpoint',
    ],
    [
      'S-unsubscribe',
      'Once a Subscriber no longer wants to receive event notifications, it SHALL unsubscribe from the session',
    ],
    [
      'S-denied',
      'The Subscriber SHOULD then consider that the subscription is not possible anymore',
      { level: 'SHOULD' },
    ],
  ]),
  ...subscriber3('2.5 Receive Event Notification', '2-5-ReceiveEventNotification.html', [
    ['S-answer', 'The Subscriber SHALL respond to the event notification with an appropriate HTTP status code'],
    ['S-answer-id', 'Event identifier from the event notification to which this response corresponds'],
    [
      'S-answer-status',
      'Numeric HTTP response code to indicate success or failure of the event notification within the Subscriber',
    ],
    [
      'S-ten-seconds',
      'Subscribers are RECOMMENDED to do so within 10 seconds after receiving the context event',
      { level: 'SHOULD' },
    ],
    [
      'S-stale',
      'Subscribers SHALL ignore messages with older timestamps than the message that established the current context',
    ],
    [
      'S-refuse',
      'If the Subscriber cannot follow the context of the event, for instance due to an error or a deliberate choice to not follow a context, the Subscriber SHALL communicate the error to the Hub',
    ],
    [
      'S-shutdown',
      'During a normal shutdown of a Subscriber, it SHALL unsubscribe, and provide a WebSocket Connection Close Reason of 1000',
    ],
    [
      'S-retry',
      'The event identifier MAY be used to differentiate retried messages from user actions',
      { level: 'MAY' },
    ],
  ]),
  ...subscriber3('3.2.1 SyncError', '3-2-1-SyncError.html', [
    ['S-syncerror', 'A FHIR OperationOutcome based on the profile Operation outcome for sync-errors'],
    ['S-syncerror-severity', 'In these events the field `issue.severity` is SHALL be set to `warning`'],
  ]),
  ...subscriber3('3.2.2 UserLogout', '3-2-2-UserLogout.html', [
    [
      'S-logout',
      'Upon receiving a `UserLogout` event, the Subscriber SHOULD logout the user or respond with a `SyncError`',
      { level: 'SHOULD' },
    ],
  ]),
  ...subscriber3('3.2.5 Home-open', '3-2-5-Home-open.html', [
    [
      'S-home',
      'The user has opened or switched back to the application’s home page or tab which does not have any FHIR related context',
      { level: 'SHOULD' },
    ],
  ]),
  ...subscriber3('3.3.1 Patient-open', '3-3-1-Patient-open.html', [
    ['S-open', 'The indicated patient is now the current patient in context', { level: 'SHOULD' }],
  ]),
  ...subscriber3('3.3.2 Patient-close', '3-3-2-Patient-close.html', [
    ['S-close', 'A previously opened and in context patient is no longer open nor in context', { level: 'SHOULD' }],
  ]),
  ...subscriber3('4.2.1 Synchronization Considerations', '4-2-1-syncconsiderations.html', [
    ['S-lost', 'Subscriber that loses the connection to the Hub should resubscribe to the topic', { level: 'SHOULD' }],
    [
      'S-lost-context',
      'If supported by the Hub, receive current context upon resubscription or retrieve the context using Get Current Context',
      { level: 'SHOULD' },
    ],
    [
      'S-echo',
      'It should also not respond with a resend of its context change without querying the user to prevent triggering an endless context switch waterfall',
      { level: 'SHOULD' },
    ],
  ]),
  ...subscriber3('2.6 Send Event Notification', '2-6-SendEventNotification.html', [
    ['S-unique', 'This id SHALL be uniquely generated by the Subscriber and could be a UUID'],
    ['S-timestamp', 'ISO 8601-2 timestamp in UTC describing the time at which the event occurred'],
    ['S-rejected', 'The Subscriber SHALL be capable of gracefully handling a rejected context request'],
  ]),
  ...subscriber3('2.10 Content Sharing', '2-10-ContentSharing.html', [
    [
      'S-version',
      'Maintain the current `context.versionId` of the anchor context provided by the Hub so that a subsequent `[FHIR resource]-update` request may provide the current `context.versionId`',
    ],
    ['S-bundle', 'One and only one `Bundle` SHALL be present in a `[FHIR resource]-update` request'],
    [
      'S-gap',
      'the Subscriber may issue a `GET Context` request to the Hub in order to retrieve the current content in the anchor context',
      { level: 'MAY' },
    ],
  ]),
];
