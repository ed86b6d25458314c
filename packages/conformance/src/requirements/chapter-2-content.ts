import { hub3, type Requirement } from './requirement.ts';

/** Sections 2.7 to 2.10 of FHIRcast 3.0.0, conformance, current context and content: what a Hub has to do. */
export const CONTENT: readonly Requirement[] = [
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
  ]),
  ...hub3('2.8 Extensions', '2-8-Extensions.html', [
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
];
