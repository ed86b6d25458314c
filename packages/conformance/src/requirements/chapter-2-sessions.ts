import { hub3, type Requirement } from './requirement.ts';

/** Chapter 2 of FHIRcast 3.0.0, from discovery to the end of a subscription: what a Hub has to do. */
export const SESSIONS: readonly Requirement[] = [
  ...hub3('2 Specification', '2_Specification.html', [
    [
      '2-https',
      'All data exchanged through the HTTP APIs SHALL be formatted, sent, and received as JSON structures (unless otherwise specified), and SHALL be transmitted over channels secured using the Hypertext Transfer Protocol (HTTP) over Transport Layer Security (TLS)',
    ],
    [
      '2-wss',
      'All data exchanged through WebSockets SHALL be formatted, sent, and received as JSON structures, and SHALL be transmitted over Secure Web Sockets (WSS)',
    ],
  ]),
  ...hub3('2.1 Session Discovery', '2-1-SessionDiscovery.html', [
    [
      '2.1-launch-scopes',
      'the application SHALL request and, if authorized, SHALL be granted one or more FHIRcast OAuth 2.0 scopes',
      { unobservable: 'A duty of the authorization server in a SMART launch with a user, not of the Hub' },
    ],
    [
      '2.1-launch-parameters',
      'the authorization server SHALL supply the `hub.url` and `hub.topic` SMART launch parameters alongside the `access_token`',
      { unobservable: 'A duty of the authorization server in a SMART launch with a user, not of the Hub' },
    ],
    [
      '2.1-opaque',
      'FHIRcast requires a session to have a unique and opaque identifier',
      { unobservable: 'How topics are made is not part of the Hub’s interface: the suite is given them' },
    ],
  ]),
  ...hub3('2.2 FHIRcast Scopes', '2-2-FhircastScopes.html', [
    [
      '2.2-write',
      'a scope of `fhircast/Patient-open.write` authorizes the subscribing application to request a notification',
      { level: 'SHOULD' },
    ],
  ]),
  ...hub3('2.3 Events', '2-3-Events.html', [
    ['2.3-complete', 'Understanding a context change event SHALL NOT require receiving a previous or future event'],
    [
      '2.3-profiles',
      'Event notifications SHALL include resources matching the profiles indicated in the context from the event definition',
      {
        unobservable:
          'The Hub passes on the resources of the event’s publisher, and “a Hub is not responsible for structurally validating FHIR resources” (2.10); that it passes them on whole is checked',
      },
    ],
    ['2.3-version', '`versionId` SHALL be present for *-update events'],
    ['2.3-case', 'Event names are unique and case-insensitive'],
    [
      '2.3-required',
      'An event SHALL contain all required data fields, MAY contain optional data fields and SHALL NOT contain any additional fields',
    ],
    ['2.3-key-case', 'The key name SHALL be lower case and implementations SHALL treat them as case-sensitive'],
    [
      '2.3-authorized',
      "The Hub SHALL only return FHIR resources that the Subscriber is authorized to receive with the granted OAuth 2.0 access_token's granted `fhircast/` scopes",
    ],
    ['2.3-anchor', 'Context change events SHALL include the resource the context change relates to'],
    [
      '2.3-update-fields',
      'The `context` element in an update event SHALL contain at least two fields. One with the name of the `FHIRresource` which holds the anchor context and one named `updates` holding a single `Bundle` resource',
    ],
    ['2.3-update-bundle', 'The `Bundle` resource SHALL conform to the FHIRcast content update Bundle profile'],
    ['2.3-topic', 'The session topic given in the subscription request'],
    [
      '2.3-select',
      '`*-select` events provide a mechanism to select content in the context an `anchor context`',
      { level: 'SHOULD' },
    ],
    [
      '2.3-event-author',
      'Such proprietary events SHALL be named with reverse domain notation',
      { unobservable: 'A duty of whoever defines an event, as are the other rules for event definitions' },
    ],
  ]),
  ...hub3('2.4 Subscribing: Subscription Request', '2-4-Subscribing.html#subscription-request', [
    ['2.4-channel', 'Subscription requests without this field SHOULD be rejected by the Hub', { level: 'SHOULD' }],
    [
      '2.4-set',
      'The list is treated as a set, so repeated elements SHOULD NOT be used and hubs SHALL treat multiple values as a single instance',
    ],
    [
      '2.4-lease-token',
      "If using OAuth 2.0, the Hub SHALL limit the subscription lease seconds to be less than or equal to the access token's expiration",
    ],
    [
      '2.4-bearer',
      'If OAuth 2.0 authentication is used, this POST request SHALL contain the Bearer access token in the HTTP Authorization header',
    ],
    ['2.4-again', 'Hubs SHALL allow subscribers to re-request subscriptions that are already activated'],
    [
      '2.4-override',
      'Each subsequent and verified request to a Hub to subscribe or unsubscribe SHALL override the previous subscription state for a specific (`hub.topic`, `hub.channel.endpoint` url) combination',
    ],
    [
      '2.4-replace',
      'the Hub SHALL replace the subscription’s previous `hub.events` with the new list of granted events',
    ],
    ['2.4-case', 'Hubs and Subscribers SHALL be case insensitive for event-names'],
    [
      '2.4-name',
      'An optional description of the Subscriber that will be used in `SyncError` notifications when an event is refused or cannot be delivered',
    ],
    ['2.4-once', 'Each parameter SHALL appear at most one time', { level: 'SHOULD' }],
  ]),
  ...hub3('2.4 Subscribing: Subscription Response', '2-4-Subscribing.html#subscription-response', [
    ['2.4-json', 'Any content returned from subscription requests SHALL be returned as `application/json`'],
    ['2.4-response', 'the Hub SHALL respond to a subscription request with an appropriate HTTP response'],
    [
      '2.4-error',
      'If a Hub refuses the request or finds any errors in the subscription request, an appropriate HTTP error response code (4xx or 5xx) SHALL be returned',
    ],
    [
      '2.4-error-text',
      'In the event of an error, the Hub SHOULD return a description of the error in the response body as plain text',
      { level: 'SHOULD' },
    ],
    [
      '2.4-endpoint',
      'The HTTP body of the response SHALL consist of a JSON object containing an element name of `hub.channel.endpoint` and a value for the WSS URL',
    ],
    ['2.4-random', 'The WebSocket WSS URL SHALL be cryptographically random, unique, and unguessable'],
  ]),
  ...hub3('2.4 Subscribing: Subscription Confirmation', '2-4-Subscribing.html#subscription-confirmation', [
    [
      '2.4-confirm',
      'upon the Subscriber establishing a WebSocket connection to the `hub.channel.endpoint` WSS URL, the Hub SHALL send a confirmation over the WebSocketchannel',
    ],
    ['2.4-confirm-mode', 'The literal string `subscribe`'],
    ['2.4-confirm-topic', 'The session topic given in the corresponding subscription request'],
    [
      '2.4-confirm-events',
      'A comma-separated list of events from the Event Catalog corresponding to the events string given in the corresponding subscription request',
    ],
    [
      '2.4-confirm-lease',
      'The Hub-determined number of seconds that the subscription will stay active before expiring',
    ],
    [
      '2.4-lease-end',
      'the Hub SHALL unsubscribe the Subscriber once `hub.lease_seconds` has expired, close the WebSocket connection, and MAY send a subscription denial',
    ],
  ]),
  ...hub3(
    '2.4 Subscribing: Current context notification',
    '2-4-Subscribing.html#current-context-notification-upon-successful-subscription',
    [
      [
        '2.4-late-joiner',
        "Hubs SHALL follow a successful subscription with an event notification informing the new Subscriber of the most recent \\*-open event per anchor type for which no \\*-close event has occurred, according to the Subscriber's subscription",
      ],
      ['2.4-not-subscribed', 'Hubs SHALL NOT send a Subscriber events to which it is not subscribed'],
      [
        '2.4-indistinguishable',
        'they are indistinguishable from a normal, just-occurred workflow event triggered notification',
      ],
      [
        '2.4-original-time',
        'the `timestamp` in the event notification is the time at which the event occurred and not the time at which the notification is generated',
      ],
    ],
  ),
  ...hub3('2.4 Subscribing: Subscription Denial', '2-4-Subscribing.html#subscription-denial', [
    ['2.4-denial', 'If (and when) a subscription is denied, the Hub SHALL inform the Subscriber'],
    ['2.4-denial-mode', 'The literal string `denied`'],
    ['2.4-denial-topic', 'The topic given in the corresponding subscription request'],
    [
      '2.4-denial-events',
      'A comma-separated list of events from the Event Catalog corresponding to the events string given in the corresponding subscription request, which are being denied',
    ],
  ]),
  ...hub3('2.4 Subscribing: Unsubscribe', '2-4-Subscribing.html#unsubscribe', [
    ['2.4-destroyed', 'Unsubscribes will destroy the WebSocket which cannot be reused'],
    [
      '2.4-new-endpoint',
      'A subsequent subscription SHALL be done over a newly created and communicated WebSocket endpoint',
    ],
    [
      '2.4-unsubscribe-error',
      'if a Hub encounters any errors or refuses the request, it SHALL return an appropriate HTTP error response code (4xx or 5xx) along with a description of the error in the response body as plain text',
    ],
    [
      '2.4-unsubscribe-202',
      'When an unsubscribe request is accepted, the Hub SHALL respond with an HTTP 202 "Accepted" response',
    ],
    [
      '2.4-unsubscribe-endpoint',
      'The response SHALL include a JSON object in the body, containing the key hub.channel.endpoint with the WSS URL value of the WebSocket subscription',
    ],
    ['2.4-unsubscribe-denial', 'the Hub SHALL send a Subscription Denial over the WebSocket'],
    ['2.4-unsubscribe-close', 'Hub sends a denial message over the WebSocket connection and closes the connection'],
  ]),
];
