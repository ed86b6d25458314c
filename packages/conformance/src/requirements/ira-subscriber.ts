import { type Requirement, subscriberIra } from './requirement.ts';

/** IHE Radiology, Integrated Reporting Applications: what its applications have to do beyond FHIRcast. */
export const IRA_SUBSCRIBER: readonly Requirement[] = [
  ...subscriberIra('RAD-146 Subscribe to Reporting Session', 'rad-146.html', [
    [
      'S-RAD-146-events',
      'Shall include these five events, comma-separated: `diagnosticreport-open`,`diagnosticreport-close`,`diagnosticreport-update`, `diagnosticreport-select`,`syncerror`',
    ],
    ['S-RAD-146-name', 'An explicit identifier of the Subscriber which is likely to be unique in a reporting session'],
    [
      'S-RAD-146-several',
      'The Subscriber shall support sending such messages to more than one Manager',
      {
        unobservable:
          'The suite plays one Hub: which others an application could talk to is a matter of its configuration',
      },
    ],
  ]),
  ...subscriberIra('RAD-147 Connect to Notification Channel', 'rad-147.html', [
    [
      'S-RAD-147-connect',
      'The Subscriber shall send a websocket request to the `hub.channel.endpoint` websocket WSS URL received from the successful Subscribe to Reporting Session [RAD-146] response',
    ],
  ]),
  ...subscriberIra('RAD-148 Open Report Context', 'rad-148.html', [
    ['S-RAD-148-context', 'the contexts in the `event.context` shall conform to the Table 2:4.148.4.1.2-1'],
    [
      'S-RAD-148-retry',
      'If the Sender retries the request due to an error response from the Manager, then the Sender shall assign a new `event.id` to indicate that it is a new request',
    ],
    [
      'S-RAD-148-again',
      'If the Sender is retrying this context change request due to not receiving a response from the Manager for a prior request, then the Sender shall use the same `event.id`',
      { unobservable: 'A request with another id cannot be told from a second wish of the application’s user' },
    ],
    [
      'S-RAD-148-resume',
      'If the Sender resumes a previously opened report, then the Sender shall reuse the previous `report`, `patient` and `study` contexts, but shall assign a new `event.id`',
      {
        unobservable:
          'Which open resumes an earlier one, only the application and its user know; that ids are new is checked',
      },
    ],
  ]),
  ...subscriberIra('RAD-149 Close Report Context', 'rad-149.html', [
    ['S-RAD-149-context', 'The `event.context` shall conform to DiagnosticReport close Event'],
    [
      'S-RAD-149-retry',
      'If the Sender retries the request due to an error response from the Manager, then the Sender shall assign a new `event.id` to indicate that it is a new request',
    ],
  ]),
  ...subscriberIra('RAD-150 Update Report Content', 'rad-150.html', [
    [
      'S-RAD-150-retry',
      'If the Sender retries the request due to an error response from the Manager, then the Sender shall assign a new `event.id` to indicate that it is a new request',
    ],
    [
      'S-RAD-150-newest',
      'The `event`.`context.versionId` shall be the newest version ID of the report context known to the Sender',
    ],
  ]),
  ...subscriberIra('RAD-151 Select Report Content', 'rad-151.html', [
    ['S-RAD-151-context', 'The `event.context` shall conform to DiagnosticReport select Event'],
    [
      'S-RAD-151-retry',
      'If the Sender retries the request due to an error response from the Manager, then the Sender shall assign a new `event.id` to indicate that it is a new request',
    ],
    [
      'S-RAD-151-all',
      'The Sender shall include all selected resources in the event, including resources that were selected previously which should remain selected',
      { unobservable: 'What the application’s user has selected does not show on the wire' },
    ],
  ]),
  ...subscriberIra('RAD-153 Get Current Context', 'rad-153.html', [
    [
      'S-RAD-153-process',
      'The Subscriber shall process the context as if it had received the `[FHIR resource]-open` event with the same context',
      { unobservable: 'What an application makes of an answer it asked for is not visible on the wire' },
    ],
  ]),
  ...subscriberIra('RAD-154 Distribute Context Event', 'rad-154.html', [
    [
      'S-RAD-154-confirm',
      'The Subscriber shall send a confirmation message back to the Manager using the established websocket connection',
    ],
    ['S-RAD-154-track', 'The Subscriber shall keep track of the `context.versionId` in the local context'],
    [
      'S-RAD-154-prior',
      'Shall validate if the `context.priorVersionId` in the event matches the current version ID in the local context … If not, this means the Subscriber missed one or more prior events. In this case, the Subscriber is responsible for subsequently retrieving the current context',
    ],
    [
      'S-RAD-154-version',
      'Shall update the current version ID in the local context to match the `context.versionId` from the event, even if its business logic requires no specific processing',
    ],
    ['S-RAD-154-unselect', 'Shall unselect all previously selected contents'],
    [
      'S-RAD-154-select',
      'Shall select all applicable resources in the local context according to the referenced resources in the event',
    ],
    ['S-RAD-154-unknown', 'Shall ignore any resources referenced in the event that are not known to the Subscriber'],
    [
      'S-RAD-154-close',
      'Upon receiving a `[FHIR resource]-close` event, the Subscriber shall close the referenced context and all associated contents',
    ],
    [
      'S-RAD-154-fetch',
      'For contents of interest that are not inline in the `[FHIR resource]-update` event and referenced by a relative path, the Subscriber shall retrieve the content based on the `entry.fullurl`',
      { unobservable: 'Which contents are of interest is the application’s own affair' },
    ],
  ]),
  ...subscriberIra('RAD-155 Generate SyncError Event', 'rad-155.html', [
    [
      'S-RAD-155-confirm',
      'The Subscriber shall send a confirmation message back to the Manager using the established websocket connection',
    ],
  ]),
  ...subscriberIra('RAD-156 Notify Error', 'rad-156.html', [
    ['S-RAD-156-context', 'The `event.context` shall conform to SyncError Context'],
    [
      'S-RAD-156-severity',
      'Per FHIRcast, the `issue[0].severity` of the `operationoutcome` context will be set to `warning`',
    ],
    [
      'S-RAD-156-retry',
      'If the Sender retries the request due to an error response from the Manager, then the Sender shall assign a new `event.id` to indicate that it is a new request',
    ],
  ]),
];
