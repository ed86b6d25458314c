import { hub2, type Requirement } from './requirement.ts';

/** FHIRcast STU2: webhooks, which 3.0.0 no longer has. */
export const STU2: readonly Requirement[] = [
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
    ['STU2-sockets', 'Hubs SHALL support WebSockets and MAY support webhooks'],
    ['STU2-partial', 'Partial unsubscribe requests are not supported and SHALL result in a full unsubscribe'],
    [
      'STU2-refused',
      'If a Hub refuses the request or finds any errors in the subscription request, an appropriate HTTP error response code (4xx or 5xx) SHALL be returned',
    ],
    ['STU2-again', 'Hubs SHALL allow subscribers to re-request subscriptions that are already activated'],
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
    ['STU2-confirm', 'If a subscribe or unsubscribe request is not denied, the Hub SHALL confirm the subscription'],
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
      'STU2-notification',
      'The HTTP request notification interaction to the subscriber SHALL include a description of the subscribed event that just occurred, an ISO 8601-2 formatted timestamp in UTC and an event identifier that is universally unique for the Hub',
    ],
    [
      'STU2-authorized',
      "The Hub SHALL only return FHIR resources that the subscriber is authorized to receive with the existing OAuth 2.0 access_token's granted `fhircast/` scopes",
    ],
    [
      'STU2-hmac',
      'The signature SHALL be computed using the HMAC algorithm (RFC6151) with the request body as the data and the `hub.secret` as the key',
    ],
    [
      'STU2-outcome',
      "The OperationOutcome SHALL use a code of `processing`. The OperationOutcome's details SHALL contain the id of the event that this error is related to",
    ],
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
      'STU2-inform',
      'If (and when) a subscription is denied, the Hub SHALL inform the subscriber',
      {
        unobservable:
          'Nothing that a client does makes a Hub deny a webhook, and at the end of a lease a denial is optional',
      },
    ],
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
