import type { Check } from '../check.ts';
import { expect } from '../expecting.ts';
import { observation, patient, patientElements } from '../samples.ts';
import { succeeded } from '../target/scenario.ts';
import type { Notification } from '../target/subscriber.ts';
import { ALL, CORE, driver, expectRefused, openPatient, PATIENT } from './parts.ts';

/** A request that lacks something: the Hub rejects it, or completes it, but never passes it on as it is. */
function incomplete(
  id: string,
  title: string,
  requirements: Check['requirements'],
  spoil: (message: Record<string, unknown>, event: Record<string, unknown>) => unknown,
  complete: (event: Notification) => boolean = () => false,
  level: Check['level'] = 'SHALL',
): Check {
  return {
    id,
    title,
    rule: 'PUB-5',
    requirements,
    level,
    safety: true,
    versions: CORE,
    run: async (s) => {
      const one = await driver(s, [...PATIENT, 'SyncError']);
      const whole = s.event('Patient-open', patientElements(patient()));
      const event: Record<string, unknown> = { ...whole.event };
      await s.publish(spoil({ ...whole, event }, event));
      await s.settle();
      const broken = one.events.find((came) => came.name !== 'syncerror' && !complete(came));
      expect(broken === undefined, 'no incomplete event to any subscriber', broken?.frame.text);
      await openPatient(s, one);
    },
  };
}

/** What becomes of a request to publish an event. */
export const publishing: readonly Check[] = [
  {
    id: 'publish-accepted',
    title: 'A context change is accepted with a successful status',
    rule: 'PUB-1',
    requirements: ['2.6-answer', 'IRA-any-event'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      await driver(s, PATIENT);
      const { status, body } = await s.publish(s.event('Patient-open', patientElements(patient())));
      expect(status >= 200 && status < 300, 'a successful status to Patient-open', `HTTP ${status} ${body}`.trimEnd());
    },
  },
  {
    id: 'publish-answer-readable',
    title: 'The answer to a context change can be read',
    rule: 'PUB-1',
    requirements: ['2-https', '2.6-answer'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      await driver(s, PATIENT);
      const response = await s.publish(s.event('Patient-open', patientElements(patient())));
      expect(succeeded(response), 'a successful status', `HTTP ${response.status} ${response.body}`);
      const claimsJson = /json/i.test(response.headers['content-type'] ?? '');
      const seen = `Content-Type: ${response.headers['content-type']}, body "${response.body}"`;
      expect(!claimsJson || response.json !== undefined, 'JSON in a body that says it is JSON', seen);
    },
  },
  {
    id: 'publish-fhir-json',
    title: 'A context change may come as application/fhir+json',
    rule: 'PUB-1',
    requirements: ['2.6-fhir-json'],
    level: 'SHOULD',
    versions: CORE,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const event = s.event('Patient-open', patientElements(patient()));
      await s.accepted(event, { contentType: 'application/fhir+json' });
      await one.event(event.id);
    },
  },
  {
    id: 'publish-charset',
    title: 'JSON that names its character set is JSON',
    rule: 'PUB-1',
    requirements: ['2-https'],
    level: 'SHOULD',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const event = s.event('Patient-open', patientElements(patient()));
      await s.accepted(event, { contentType: 'application/json; charset=utf-8' });
      await one.event(event.id);
    },
  },
  incomplete(
    'publish-without-id',
    'A request without id is not passed on',
    ['2.5-id', '2.6-id'],
    (message) => ({ ...message, id: undefined }),
    (event) => typeof event.id === 'string' && event.id !== '',
  ),
  incomplete(
    'publish-without-timestamp',
    'A request without timestamp is not passed on',
    ['2.5-timestamp', '2.6-required'],
    (message) => ({ ...message, timestamp: undefined }),
    (event) => typeof event.timestamp === 'string',
  ),
  incomplete(
    'publish-without-context',
    'A request without context is not passed on',
    ['2.3-required'],
    (message, event) => ({ ...message, event: { ...event, context: undefined } }),
  ),
  incomplete(
    'publish-context-no-array',
    'A context that is no array is not passed on',
    ['2.3-required'],
    (message, event) => ({ ...message, event: { ...event, context: { key: 'patient' } } }),
  ),
  incomplete(
    'publish-without-anchor',
    'A Patient-open without a patient is not passed on',
    ['2.3-anchor', '2.3-required'],
    (message, event) => ({ ...message, event: { ...event, context: [] } }),
  ),
  incomplete(
    'publish-key-in-wrong-case',
    'Keys are case-sensitive: "Patient" is not "patient"',
    ['2.3-key-case'],
    (message, event) => ({ ...message, event: { ...event, context: [{ key: 'Patient', resource: patient() }] } }),
  ),
  incomplete(
    'publish-wrong-resource',
    'A Patient-open with another resource as patient is not passed on',
    ['2.3-anchor'],
    (message, event) => ({
      ...message,
      event: { ...event, context: [{ key: 'patient', resource: observation(patient()) }] },
    }),
    () => false,
    // “A Hub is not responsible for structurally validating FHIR resources” (2.10).
    'SHOULD',
  ),
  {
    id: 'publish-without-topic',
    title: 'A request without hub.topic is rejected',
    rule: 'PUB-5',
    requirements: ['2.6-answer', '2.3-topic'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const { 'hub.topic': _topic, ...event } = s.event('Patient-open', patientElements(patient())).event;
      const response = await s.publish({ ...s.event('Patient-open', []), event });
      expectRefused(response);
    },
  },
  {
    id: 'publish-malformed',
    title: 'A body that is no JSON is rejected, and nobody is disturbed',
    rule: 'PUB-6',
    requirements: ['2.6-answer'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      for (const body of ['{"timestamp": "20', '[]', 'null', '"Patient-open"']) {
        const response = await s.publish(body);
        expectRefused(response, ` to ${body}`);
      }
      await openPatient(s, one);
    },
  },
  {
    id: 'rejected-changes-nothing',
    title: 'A rejected request leaves sockets and sessions as they were',
    rule: 'PUB-6',
    requirements: ['2.6-answer', '2.5-notify'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      await openPatient(s, one);
      await s.publish({ nothing: true });
      await s.publish(s.event('Patient-open', []));
      await openPatient(s, one);
      expect(one.closed === undefined, 'the socket to stay open', one.closed);
    },
  },
];
