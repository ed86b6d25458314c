import type { Version } from './check.ts';

/** A sentence of a specification that somebody has to keep. */
export interface Requirement {
  readonly id: string;
  /** Chapter and heading, as a reader finds it. */
  readonly section: string;
  readonly version: Version;
  readonly level: 'SHALL' | 'SHOULD' | 'MAY';
  readonly on: 'Hub' | 'Subscriber';
  /** The words of the specification; `…` stands for words left out. */
  readonly quote: string;
  readonly link: string;
  /** Why no check can rest on it, seen from outside. */
  readonly unobservable?: string;
}

type Row = readonly [id: string, quote: string, more?: { level?: 'SHOULD' | 'MAY'; unobservable?: string }];

function rows(
  version: Version,
  on: Requirement['on'],
  section: string,
  link: string,
  list: readonly Row[],
): readonly Requirement[] {
  return list.map(([id, quote, more]) => ({
    id,
    section,
    version,
    level: more?.level ?? 'SHALL',
    on,
    quote,
    link,
    ...(more?.unobservable !== undefined && { unobservable: more.unobservable }),
  }));
}

const HL7 = 'https://build.fhir.org/ig/HL7/fhircast-docs';
const STU2 = 'https://fhircast.hl7.org/specification/STU2/';
const IHE = 'https://profiles.ihe.net/RAD/IRA';

const hub3 = (section: string, page: string, list: readonly Row[]) =>
  rows('3.0.0', 'Hub', section, `${HL7}/${page}`, list);
const subscriber3 = (section: string, page: string, list: readonly Row[]) =>
  rows('3.0.0', 'Subscriber', section, `${HL7}/${page}`, list);
const hub2 = (section: string, anchor: string, list: readonly Row[]) =>
  rows('STU2', 'Hub', section, `${STU2}#${anchor}`, list);
const ira = (section: string, page: string, list: readonly Row[]) =>
  rows('IRA', 'Hub', section, `${IHE}/${page}`, list);

/** Chapters 2 and 3 of FHIRcast 3.0.0: what a Hub has to do. */
const FHIRCAST_3: readonly Requirement[] = [
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
  ]),
  ...hub3('2.7 Conformance', '2-7-Conformance.html#wellknown-endpoint', [
    [
      '2.7-well-known',
      'Hubs SHALL serve a JSON document at the location formed by appending `/.well-known/fhircast-configuration` to their `hub.url`',
    ],
    ['2.7-events', 'Array of FHIRcast events supported by the Hub'],
    ['2.7-websocket', 'SHALL have the static value: `true` - indicating support for websockets'],
    ['2.7-mime', 'A simple JSON document is returned using the `application/json` mime type'],
    ['2.7-version', 'Hubs SHOULD indicate the version of FHIRcast supported', { level: 'SHOULD' }],
    [
      '2.7-both',
      'capable implementers should support both this element and the `capabilities` object',
      { level: 'SHOULD' },
    ],
    [
      '2.7-webhook',
      'A field of `webhookSupport` SHALL be ignored',
      { unobservable: 'A duty of the document’s readers; the suite looks at the field only for STU2' },
    ],
    [
      '2.7-must-support',
      'must support (MS) on any data element SHALL be interpreted to mean FHIR’s MustSupport',
      { unobservable: 'How an implementation interprets profiles is not visible on the wire' },
    ],
    [
      '2.8-extension',
      'The value of an extension element SHALL be a pre-coordinated JSON object',
      { unobservable: 'A duty of those who agree on an extension' },
    ],
  ]),
  ...hub3('2.9 Get Current Context', '2-9-GetCurrentContext.html', [
    ['2.9-type', 'the type of the anchor context SHALL be in the `context.type` field'],
    [
      '2.9-none',
      'If there is no context currently established, the `context.type` SHALL contain an empty string and the `context` SHALL be an empty array',
    ],
    [
      '2.9-closed',
      'If an established context is closed without another being opened, the Hub SHALL return an empty context',
    ],
    ['2.9-version', 'Each time the context changes, a different versionId is generated'],
    [
      '2.9-context',
      'The context array of the corresponding context element as was supplied in the most recent `-open` event',
    ],
    ['2.9-most-recent', 'The Hub responds to this GET request with the most recently communicated open event'],
    ['2.9-bundle', 'There SHALL be one and only one `Bundle` resource which SHALL have a `type` of `collection`'],
    ['2.9-no-request', 'No entry in the `Bundle` SHALL contain a `request` attribute'],
    [
      '2.9-no-entries',
      'The `Bundle` SHALL contain no entries if there is no content associated with the current context',
    ],
    ['2.9-profile', 'The `Bundle` resource SHALL conform to the FHIRcast get current content Bundle profile'],
  ]),
  ...hub3('2.10 Content Sharing', '2-10-ContentSharing.html', [
    [
      '2.10-assign',
      "Assign and maintain an anchor context's `context.versionId` when processing a `[FHIR resource]-open` request",
    ],
    ['2.10-unique', 'SHALL be unique in the scope of a topic'],
    [
      '2.10-reject',
      'Reject `[FHIR resource]-update` request if the version does not match the current `context.versionId`',
    ],
    [
      '2.10-new-version',
      'the Hub SHALL assign a new `context.versionId` to the anchor context and use this new `context.versionId` in the `[FHIR resource]-update` event it forwards to subscribed applications',
    ],
    ['2.10-prior', 'The Hub SHALL also include the `context.priorVersionId` in the distributed event'],
    [
      '2.10-maintain',
      'Process each `[FHIR resource]-update` request in an atomic fashion and maintain FHIR resource content',
    ],
    [
      '2.10-dispose',
      'the Hub should dispose of the content for the current anchor context (i.e., the context being closed by this request)',
      { level: 'SHOULD' },
    ],
    [
      '2.10-whole',
      'it SHALL reject the entire request - it SHALL NOT accept some changes specified in the bundle and reject others',
    ],
    [
      '2.10-atomic',
      "Each `[FHIR resource]-update` event posted to the Hub SHALL be processed atomically by the Hub (i.e., all entries in the request's `Bundle` should be processed prior to the Hub accepting another request)",
    ],
    ['2.10-order', 'process the events in the order in which they were successfully received by the Hub'],
    [
      '2.10-compare',
      'The Hub SHALL compare the `context.versionId` of the incoming request with the `context.versionId` the Hub previously assigned to the anchor context',
    ],
    [
      '2.10-mismatch',
      'If the incoming `context.versionId` and last assigned `context.versionId` do not match, the Hub SHALL reject the request',
    ],
    [
      '2.10-all-entries',
      'the Hub proceeds with processing each of the FHIR resources in the Bundle and SHALL process all Bundle entries in an atomic manner',
    ],
    [
      '2.10-bundle-id',
      'The distributed update event SHALL contain a Bundle resource with the same Bundle `id` which was contained in the request',
    ],
    [
      '2.10-too-large',
      'recipients SHALL either synchronously return an HTTP error status of HTTP 413 - Content Too Large, or asynchronously a `syncerror`',
    ],
    [
      '2.10-context-unchanged',
      'the Hub SHALL return the `context` array that was provided in the `[FHIR resource]-open` event without providing any changes',
    ],
    [
      '2.10-changes-in-content',
      'SHALL be present in the `Bundle` resource inside the `content` key of the `GET Context` response',
    ],
    [
      '2.10-non-current',
      'the event is processed in the scope of the referenced context (not the current context) following the same rules as if the referenced context were the current context',
    ],
    [
      '2.10-one-bundle',
      'One and only one `Bundle` SHALL be present in a `[FHIR resource]-update` request',
      { level: 'SHOULD' },
    ],
    ['2.10-no-twice', 'No resource SHALL appear multiple times in the update `Bundle`', { level: 'SHOULD' }],
  ]),
  ...hub3('3.2.1 SyncError', '3-2-1-SyncError.html', [
    ['3.2.1-severity', 'In these events the field `issue.severity` SHALL beset to `warning`'],
    ['3.2.1-profile', 'A FHIR OperationOutcome based on the profile Operation outcome for sync-errors'],
    [
      '3.2.1-diagnostics',
      'This field SHALL contain a human readable description of the source and reason for the error',
    ],
    [
      '3.2.1-not-content',
      '`SyncError` is not used when a Subscriber responds to an `*-update` or `*-select` event',
      { level: 'SHOULD' },
    ],
  ]),
  ...hub3('3.2 Infrastructure events', '3-2-0-infrastructureevents.html', [
    ['3.2.2-logout', "A Subscriber indicates that the User's session has ended"],
    ['3.2.3-hibernate', 'User temporarily suspended their session due to a session time-out or other reason'],
    ['3.2.5-home', 'The context field is empty'],
  ]),
  ...hub3('3.3–3.6 Context events', '3_Events.html', [
    ['3.3.1-open', 'The indicated patient is now the current patient in context'],
    ['3.3.2-close', 'A previously opened and in context patient is no longer open nor in context'],
    [
      '3.5.1-patient',
      'A Patient SHALL be present if there is a patient associated with the image study',
      { unobservable: 'A duty of the event’s publisher: the Hub does not know who the study is of' },
    ],
    [
      '3.6.1-study',
      "at least one imaging study would be the subject of a report and SHALL be included in the event's context",
      { unobservable: 'A duty of the event’s publisher; IRA makes it the Hub’s, and it is checked there' },
    ],
    [
      '3.6.1-version',
      'when it distributes a `DiagnosticReport-open` event the Hub associates a `context.versionId` with the `anchor context`',
    ],
    [
      '3.6.3-replace',
      'The Hub replaces the `context.versionId` in the request with a new `context.versionId` generated by the Hub',
    ],
  ]),
];

/** FHIRcast STU2: webhooks, which 3.0.0 no longer has. */
const FHIRCAST_2: readonly Requirement[] = [
  ...hub2('Subscribing and Unsubscribing', 'subscribing-and-unsubscribing', [
    [
      'STU2-deny-webhook',
      'If the Hub does not support webhooks then they should deny any subscription requests with `webhook` as the channel type',
      { level: 'SHOULD' },
    ],
    [
      'STU2-no-unsubscribe-check',
      'The Hub SHALL NOT validate unsubscribe requests with the subscriber',
      {
        unobservable:
          'STU2 contradicts itself: the intent verification’s `hub.mode` is “The literal string `subscribe` or `unsubscribe`”. The suite confirms a verification when it comes and does not ask for one',
      },
    ],
    ['STU2-202', 'the Hub SHALL respond to a subscription request with an HTTP 202 "Accepted" response'],
    ['STU2-secret', 'This parameter SHALL be less than 200 bytes in length'],
    ['STU2-callback', "The Subscriber's callback URL where notifications should be delivered"],
    [
      'STU2-query',
      'Hubs SHALL preserve the query string during subscription verification by appending new, Hub-defined, parameters to the end of the list using the `&` (ampersand) character to join',
    ],
    [
      'STU2-post-query',
      'the Hub SHALL make a POST request to the callback URL including any query string parameters in the URL portion of the request, not as POST body parameters',
    ],
    [
      'STU2-override',
      'Each subsequent and verified request to a Hub to subscribe or unsubscribe SHALL override the previous subscription state for a specific `hub.topic`, `hub.callback` / `hub.channel.endpoint` url combination',
    ],
  ]),
  ...hub2('Subscription Confirmation', 'subscription-confirmation', [
    [
      'STU2-verify',
      "The Hub SHALL verify a subscription request by sending an HTTPS GET request to the subscriber's callback URL as given in the subscription request",
    ],
    ['STU2-verify-fields', 'This request SHALL have the following query string arguments appended'],
    [
      'STU2-challenge',
      'A Hub-generated, random string that SHALL be echoed by the subscriber to verify the subscription',
    ],
    [
      'STU2-failed-status',
      'The Hub SHALL consider other server response codes (3xx, 4xx, 5xx) to mean that the verification request has failed',
    ],
    [
      'STU2-failed-body',
      'If the subscriber returns an HTTP success (2xx) but the content body does not match the `hub.challenge` parameter, the Hub SHALL consider verification to have failed',
    ],
    ['STU2-lease', 'the Hub SHALL unsubscribe the client once `lease_seconds` has expired'],
  ]),
  ...hub2('Event Notification', 'event-notification', [
    ['STU2-notify', 'The Hub SHALL notify subscribed apps of workflow-related events to which the app is subscribed'],
    [
      'STU2-signature',
      'the Hub SHALL generate an HMAC signature of the payload (using the `hub.secret` from the subscription request) and include that signature in the request headers of the notification',
    ],
    [
      'STU2-signature-form',
      "The `X-Hub-Signature` header's value SHALL be in the form _method=signature_ where method is one of the recognized algorithm names and signature is the hexadecimal representation of the signature",
    ],
    [
      'STU2-unsubscribe',
      'Once a subscribing app no longer wants to receive event notifications, it SHALL unsubscribe from the session',
    ],
    [
      'STU2-error',
      'If the Hub receives an error notification from a subscriber, it SHOULD generate a `syncerror` event to the other subscribers of that topic',
      { level: 'SHOULD' },
    ],
    [
      'STU2-broadcast',
      'Once a requested context change is accepted, the Hub SHALL broadcast the context notification to all subscribers, including the original requestor',
    ],
    ['STU2-webhook-support', 'Hubs SHOULD indicate their support for web hooks', { level: 'SHOULD' }],
    [
      'STU2-denied',
      "the Hub sends an HTTP GET request to the subscriber's callback URL as given in the subscription request",
      {
        level: 'SHOULD',
        unobservable:
          'Nothing that a client does makes a Hub deny a webhook, and at the end of a lease a denial is optional',
      },
    ],
  ]),
];

/** IHE Radiology, Integrated Reporting Applications: what its Hub has to do beyond FHIRcast. */
const IRA: readonly Requirement[] = [
  ...ira('RAD-146 Subscribe to Reporting Session', 'rad-146.html', [
    [
      'RAD-146-create',
      'The Manager shall create the reporting session if the session ID specified in `hub.topic` does not exist',
    ],
    [
      'RAD-146-custom',
      'The Manager shall accept any events (including custom events not defined in FHIRcast Event Library) specified in the `hub.events` attributes',
    ],
    ['RAD-146-update', 'Update the list of events subscribed by the Subscriber'],
    ['RAD-146-channel', 'The Manager shall return `400` Bad Request error if: `hub.channel.type` is not `websocket`'],
    ['RAD-146-topic', 'The Manager shall return `400` Bad Request error if: … `hub.topic` is empty'],
    [
      'RAD-146-events',
      'The Manager shall return `400` Bad Request error if: … `hub.mode` is `subscribe` and there is no `hub.events` or its value is empty',
    ],
    ['RAD-146-name', 'The Manager shall return `400` Bad Request error if: … `subscriber.name` is empty'],
    ['RAD-146-several', 'The Manager shall support handling such messages from more than one Subscriber'],
  ]),
  ...ira('RAD-147 Connect to Notification Channel', 'rad-147.html', [
    ['RAD-147-unknown', 'The Manager shall return an error if the websocket identifier in the WSS URL does not exist'],
    ['RAD-147-open', 'The Manager shall keep the websocket connection open for use as a notification channel'],
    [
      'RAD-147-use',
      'The Manager shall use the opened websocket connection when sending subsequent events to the Subscriber',
    ],
  ]),
  ...ira('RAD-148 Open Report Context', 'rad-148.html', [
    [
      'RAD-148-reopen',
      'If the `report`, `patient` and `study` contexts in the request match an existing report context which has not been closed, then the Manager shall update that report context and set it to be the current context',
    ],
    [
      'RAD-148-fields',
      'The Manager shall return `400` Bad Request error if: If `timestamp`, `id` or `event` are not set',
    ],
    [
      'RAD-148-context',
      'The Manager shall return `400` Bad Request error if: … If `event.context` does not include `report`, `patient` and `study`',
    ],
    [
      'RAD-148-topic',
      'The Manager shall return `400` Bad Request error if: … if `event`.`hub.topic` is not a known session',
    ],
  ]),
  ...ira('RAD-149 Close Report Context', 'rad-149.html', [
    ['RAD-149-empty', 'Per FHIRcast, the Manager shall set the `current context` to *empty*'],
    [
      'RAD-149-report',
      'The Manager shall return `400` Bad Request error if: … If `event.context` does not include `report`',
    ],
    [
      'RAD-149-id',
      'The Manager shall return `400` Bad Request error if: … If the `report` context does not include `resource.id`',
    ],
  ]),
  ...ira('RAD-150 Update Report Content', 'rad-150.html', [
    [
      'RAD-150-fields',
      'The Manager shall return `400` Bad Request error: … if `event.context` does not include `report` and `updates`',
    ],
    [
      'RAD-150-version',
      'The Manager shall return `400` Bad Request error: … if `context.versionId` does not match the latest version ID of the `report` anchor context',
    ],
    [
      'RAD-150-patient',
      'The Manager shall return `400` Bad Request error: … if `updates` context key includes an entry to delete the `patient` context or update the patient ID in the resource `identifier`',
    ],
    [
      'RAD-150-study',
      'The Manager shall return `400` Bad Request error: … if `updates` context key includes an entry to delete the `study` context or update the study instance UID or accession number in the resource `identifier`',
    ],
    [
      'RAD-150-reject',
      'If the Manager rejected the Update Report Content request, then the Manager shall return a 4xx or 5xx HTTP error response code',
    ],
  ]),
  ...ira('RAD-151 Select Report Content', 'rad-151.html', [
    [
      'RAD-151-ignore',
      'The Manager shall ignore any selected resources in the request that are not known based on any previous `DiagnosticReport-open` or `DiagnosticReport-update` events',
    ],
    ['RAD-151-206', 'If the Manager ignore unknown resources, then it shall return `206` Partial Content'],
    [
      'RAD-151-fields',
      'The Manager shall return `400` Bad Request error: … if `event.context` does not include `report` and `select`',
    ],
  ]),
  ...ira('RAD-152 Unsubscribe Session', 'rad-152.html', [
    [
      'RAD-152-terminate',
      'The Manager shall terminate the websocket connection and delete the websocket identifier. The Manager shall not reuse the websocket identifier for other future subscriptions',
    ],
    [
      'RAD-152-channel',
      'The Manager shall return `400` Bad Request error if: the `hub.channel.type` is not `websocket`',
    ],
    [
      'RAD-152-endpoint',
      'The Manager shall return `400` Bad Request error if: … the `hub.mode` is `unsubscribe` and there is no `hub.channel.endpoint` or its value is empty',
    ],
    [
      'RAD-152-mismatch',
      'The Manager shall return `400` Bad Request error if: … the `hub.channel.endpoint` does not match the websocket associated to the Subscriber',
    ],
    [
      'RAD-152-body',
      'The HTTP body of the response shall consist of a JSON object containing an element name `hub.channel.endpoint` and a value for the websocket URL that is associated to the Subscriber',
    ],
  ]),
  ...ira('RAD-153 Get Current Context', 'rad-153.html', [
    ['RAD-153-content', 'The Manager shall include the `content` key in the response'],
    [
      'RAD-153-retrieve',
      'The Manager shall retrieve the current context and all associated contents correspond to the `topic` in the request URL',
    ],
  ]),
  ...ira('RAD-154 Distribute Context Event', 'rad-154.html', [
    [
      'RAD-154-error',
      'If the Manager receives an error confirmation message (i.e., `status` `4xx` or `5xx`) from at least one of the Subscribers, then the Manager shall send a `syncerror` event',
    ],
    [
      'RAD-154-keep',
      'The Manager shall not change the current context in the session even if it receives an error confirmation message',
    ],
  ]),
  ...ira('RAD-155 Generate SyncError Event', 'rad-155.html', [
    ['RAD-155-severity', 'the `issue[0].severity` of the `operationoutcome` context will be set to `information`'],
    ['RAD-155-id', '`issue[0].details.coding[0].code` shall be the `event.id` of the event that triggered the error'],
    [
      'RAD-155-name',
      '`issue[0].details.coding[1].code` shall be the `event`.`hub.event` of the event that triggered the error',
    ],
    [
      'RAD-155-subscriber',
      '`issue[0].details.coding[2].code` shall be the `subscriber.name` of the Subscriber that originated either the `syncerror`, or the event that triggered the error',
    ],
  ]),
  ...ira('RAD-156 Notify Error', 'rad-156.html', [
    [
      'RAD-156-context',
      'The Manager shall return `400` Bad Request error: … if `event.context` does not include `operationoutcome`',
    ],
    [
      'RAD-156-conform',
      'The Manager shall return `400` Bad Request error: … if the context does not conform to the SyncError Context',
    ],
  ]),
  ...ira('Hub', 'volume-1.html#153118-hub', [
    ['IRA-content', 'The Hub shall support content sharing'],
    [
      'IRA-lost',
      'If it detects a websocket connection issue with a Subscriber, then the Hub shall: Unsubscribe the Subscriber and drop the websocket connection; Send a SyncError notification to other Subscribers',
    ],
    ['IRA-any-event', 'The Hub shall be able to process all valid events conforming to the FHIRcast Event Format'],
    [
      'IRA-409',
      'If it receives `*-update`, `*-select` or `*-close` events for a context that is not opened, then it shall return `409` Conflict response',
    ],
    [
      'IRA-authorize',
      'The Hub authorizes the following: which Subscriber has permission to invoke what requests',
      {
        unobservable:
          'The profile does not mandate a specific authorization mechanism; with tokens, the checks of 2.2 and 2.3 apply',
      },
    ],
    [
      'IRA-audit',
      'Managers that support the ATNA Profile shall audit this transaction',
      { unobservable: 'Audit records are not part of the Hub’s interface' },
    ],
  ]),
];

/** What FHIRcast asks of an application; for the suite that plays a Hub. */
const SUBSCRIBER: readonly Requirement[] = [
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
    ['S-full-resource', 'Subscribers SHALL accept a full FHIR resource as defined in the Event Catalog'],
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
  ...subscriber3('2.6 Send Event Notification', '2-6-SendEventNotification.html', [
    ['S-unique', 'This id SHALL be uniquely generated by the Subscriber and could be a UUID'],
    ['S-timestamp', 'ISO 8601-2 timestamp in UTC describing the time at which the event occurred'],
    ['S-rejected', 'The Subscriber SHALL be capable of gracefully handling a rejected context request'],
    ['S-required', 'An event SHALL contain all required data fields'],
    ['S-anchor', 'Context change events SHALL include the resource the context change relates to'],
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

export const REQUIREMENTS: readonly Requirement[] = [...FHIRCAST_3, ...FHIRCAST_2, ...IRA, ...SUBSCRIBER];

const BY_ID = new Map(REQUIREMENTS.map((one) => [one.id, one]));

/** @throws when no such requirement is listed */
export function requirement(id: string): Requirement {
  const found = BY_ID.get(id);
  if (!found) throw new Error(`no requirement ${id}`);
  return found;
}
