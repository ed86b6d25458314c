import { hubIra, type Requirement } from './requirement.ts';

/** IHE Radiology, Integrated Reporting Applications: what its Hub has to do beyond FHIRcast. */
export const IRA: readonly Requirement[] = [
  ...hubIra('RAD-146 Subscribe to Reporting Session', 'rad-146.html', [
    [
      'RAD-146-create',
      'The Manager shall create the reporting session if the session ID specified in `hub.topic` does not exist',
    ],
    [
      'RAD-146-custom',
      'The Manager shall accept any events (including custom events not defined in FHIRcast Event Library) specified in the `hub.events` attributes',
    ],
    ['RAD-146-add', 'The Manager shall add the Subscriber and its subscribed events for the session'],
    ['RAD-146-update', 'Update the list of events subscribed by the Subscriber'],
    ['RAD-146-expiry', "Update the expiry of the Subscriber's websocket connection"],
    ['RAD-146-channel', 'The Manager shall return `400` Bad Request error if: … `hub.channel.type` is not `websocket`'],
    ['RAD-146-topic', 'The Manager shall return `400` Bad Request error if: … `hub.topic` is empty'],
    [
      'RAD-146-events',
      'The Manager shall return `400` Bad Request error if: … `hub.mode` is `subscribe` and there is no `hub.events` or its value is empty',
    ],
    ['RAD-146-name', 'The Manager shall return `400` Bad Request error if: … `subscriber.name` is empty'],
    [
      'RAD-146-audit',
      'Managers that support the ATNA Profile shall audit this transaction',
      { unobservable: 'Audit records are not part of the Hub’s interface' },
    ],
    ['RAD-146-several', 'The Manager shall support handling such messages from more than one Subscriber'],
  ]),
  ...hubIra('RAD-147 Connect to Notification Channel', 'rad-147.html', [
    ['RAD-147-unknown', 'The Manager shall return an error if the websocket identifier in the WSS URL does not exist'],
    ['RAD-147-open', 'The Manager shall keep the websocket connection open for use as a notification channel'],
    [
      'RAD-147-use',
      'The Manager shall use the opened websocket connection when sending subsequent events to the Subscriber',
    ],
  ]),
  ...hubIra('RAD-148 Open Report Context', 'rad-148.html', [
    [
      'RAD-148-reopen',
      'If the `report`, `patient` and `study` contexts in the request match an existing report context which has not been closed, then the Manager shall update that report context and set it to be the current context',
    ],
    [
      'RAD-148-fields',
      'The Manager shall return `400` Bad Request error if: … If `timestamp`, `id` or `event` are not set',
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
  ...hubIra('RAD-149 Close Report Context', 'rad-149.html', [
    [
      'RAD-149-fields',
      'The Manager shall return `400` Bad Request error if: … If `timestamp`, `id` or `event` are not set',
    ],
    [
      'RAD-149-topic',
      'The Manager shall return `400` Bad Request error if: … if `event`.`hub.topic` is not a known session',
    ],
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
  ...hubIra('RAD-150 Update Report Content', 'rad-150.html', [
    ['RAD-150-set', 'The Manager shall return `400` Bad Request error: … if `timestamp`, `id` or `event` are not set'],
    [
      'RAD-150-topic',
      'The Manager shall return `400` Bad Request error: … if `event`.`hub.topic` is not a known session',
    ],
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
  ...hubIra('RAD-151 Select Report Content', 'rad-151.html', [
    [
      'RAD-151-ignore',
      'The Manager shall ignore any selected resources in the request that are not known based on any previous `DiagnosticReport-open` or `DiagnosticReport-update` events',
    ],
    ['RAD-151-206', 'If the Manager ignore unknown resources, then it shall return `206` Partial Content'],
    ['RAD-151-set', 'The Manager shall return `400` Bad Request error: … if `timestamp`, `id` or `event` are not set'],
    [
      'RAD-151-topic',
      'The Manager shall return `400` Bad Request error: … if `event`.`hub.topic` is not a known session',
    ],
    [
      'RAD-151-fields',
      'The Manager shall return `400` Bad Request error: … if `event.context` does not include `report` and `select`',
    ],
  ]),
  ...hubIra('RAD-152 Unsubscribe Session', 'rad-152.html', [
    [
      'RAD-152-terminate',
      'The Manager shall terminate the websocket connection and delete the websocket identifier. The Manager shall not reuse the websocket identifier for other future subscriptions',
    ],
    [
      'RAD-152-202',
      'If the Manager successfully processed the request, the Manager shall respond with an HTTP 202 “Accepted” response',
    ],
    [
      'RAD-152-channel',
      'The Manager shall return `400` Bad Request error if: … the `hub.channel.type` is not `websocket`',
    ],
    ['RAD-152-topic', 'The Manager shall return `400` Bad Request error if: … the `hub.topic` is empty'],
    [
      'RAD-152-audit',
      'Managers that support the ATNA Profile shall audit this transaction',
      { unobservable: 'Audit records are not part of the Hub’s interface' },
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
  ...hubIra('RAD-153 Get Current Context', 'rad-153.html', [
    [
      'RAD-153-topic',
      'The Manager shall validate if the `topic` specified in the request URL is a valid session',
      { unobservable: 'The profile does not say how a topic that is none is answered' },
    ],
    [
      'RAD-153-audit',
      'Managers that support the ATNA Profile shall audit this transaction',
      { unobservable: 'Audit records are not part of the Hub’s interface' },
    ],
    ['RAD-153-content', 'The Manager shall include the `content` key in the response'],
    [
      'RAD-153-retrieve',
      'The Manager shall retrieve the current context and all associated contents correspond to the `topic` in the request URL',
    ],
  ]),
  ...hubIra('RAD-154 Distribute Context Event', 'rad-154.html', [
    [
      'RAD-154-versions',
      'The Manager shall support the additional requirements regarding `version id` defined in FHIRcast content sharing',
    ],
    [
      'RAD-154-other',
      'The Manager accepts a notification event request (e.g. context events, syncerror events or other infrastructure events such as heartbeat events) and this Subscriber has listed this event type in its subscription',
    ],
    ['RAD-154-each', 'The Manager shall send a separate Notification message to each Subscriber'],
    [
      'RAD-154-error',
      'If the Manager receives an error confirmation message (i.e., `status` `4xx` or `5xx`) from at least one of the Subscribers, then the Manager shall send a `syncerror` event using the Generate SyncError Event (RAD-155) transaction to all subscribers that subscribed to the `syncerror` event',
    ],
    [
      'RAD-154-keep',
      'The Manager shall not change the current context in the session even if it receives an error confirmation message',
    ],
  ]),
  ...hubIra('RAD-155 Generate SyncError Event', 'rad-155.html', [
    [
      'RAD-155-each',
      'For most triggers, the Manager shall send a separate Error Notification message to each Subscriber',
    ],
    [
      'RAD-155-requester',
      'When the Manager initially accepted a context or content change request (i.e. responded with a `202` Accepted respond) but later rejected the request, then the Manager shall send a single Error Notification message to the original requesting Subscriber',
      { unobservable: 'Nothing that a client does makes a Hub reject what it has accepted' },
    ],
    [
      'RAD-155-no-answer',
      'It does not receive a `2xx` response within a predetermined time frame from a Subscriber after the Manager sent a context event',
      { level: 'SHOULD' },
    ],
    ['RAD-155-conform', 'The `event.context` shall conform to SyncError Context'],
    ['RAD-155-no-event', '`issue[0].details.coding[1].code` shall be … `syncerror` for non-event triggered errors'],
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
  ...hubIra('RAD-156 Notify Error', 'rad-156.html', [
    ['RAD-156-distribute', 'The Manager shall receive, validate and process the request'],
    ['RAD-156-set', 'The Manager shall return `400` Bad Request error: … if `timestamp`, `id` or `event` are not set'],
    [
      'RAD-156-topic',
      'The Manager shall return `400` Bad Request error: … if `event`.`hub.topic` is not a known session',
    ],
    [
      'RAD-156-severity',
      'Per FHIRcast, the `issue[0].severity` of the `operationoutcome` context will be set to `warning`',
    ],
    [
      'RAD-156-context',
      'The Manager shall return `400` Bad Request error: … if `event.context` does not include `operationoutcome`',
    ],
    [
      'RAD-156-conform',
      'The Manager shall return `400` Bad Request error: … if the context does not conform to the SyncError Context',
    ],
  ]),
  ...hubIra('Hub', 'volume-1.html#153118-hub', [
    ['IRA-content', 'The Hub shall support content sharing'],
    [
      'IRA-lost',
      'If it detects a websocket connection issue with a Subscriber, then the Hub shall: … Send a SyncError notification to other Subscribers',
    ],
    [
      'IRA-lost-unsubscribed',
      'If it detects a websocket connection issue with a Subscriber, then the Hub shall: … Unsubscribe the Subscriber and drop the websocket connection',
    ],
    ['IRA-any-event', 'The Hub shall be able to process all valid events conforming to the FHIRcast Event Format'],
    ['IRA-distribute', 'It shall receive and distribute the event to all Subscribers subscribed to that event type'],
    ['IRA-current', 'It shall manage the current context in the session for all context-change events'],
    ['IRA-manage-content', 'It shall manage the current content in the session for all content sharing events'],
    [
      'IRA-coordinate',
      'It shall serve as a transaction coordinator to avoid lost updates and other out of sync conditions when processing content sharing events',
    ],
    [
      'IRA-409',
      'If it receives `*-update`, `*-select` or `*-close` events for a context that is not opened, then it shall return `409` Conflict response',
    ],
    [
      'IRA-authorize',
      'The Hub authorizes the following: … which Subscriber has permission to invoke what requests',
      {
        unobservable:
          'The profile does not mandate a specific authorization mechanism; with tokens, the checks of 2.2 and 2.3 apply',
      },
    ],
  ]),
];
