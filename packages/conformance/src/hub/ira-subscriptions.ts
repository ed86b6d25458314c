import { randomUUID } from 'node:crypto';
import type { Check } from '../check.ts';
import { expect } from '../expecting.ts';
import { patient, patientElements } from '../samples.ts';
import { checksOf, driver, madeUp, PATIENT } from './parts.ts';

export const check = checksOf({ versions: ['IRA'] }, 'ira-');

/** The Hub answers exactly this status. */
export function status(response: { status: number; body: string }, wanted: number, to: string): void {
  expect(response.status === wanted, `HTTP ${wanted} to ${to}`, `HTTP ${response.status} ${response.body}`);
}

function subscription(
  id: string,
  title: string,
  requirement: string,
  change: (fields: Record<string, string>) => Record<string, string | undefined>,
): Check {
  return check(id, title, 'SUB-12', [requirement], async (s) => {
    status(await s.post(change(s.fields(PATIENT))), 400, 'this subscription request');
  });
}

/** IHE Radiology, Integrated Reporting Applications: how one subscribes and unsubscribes. */
export const iraSubscriptions: readonly Check[] = [
  subscription('subscribe-channel', 'A channel other than websocket is answered 400', 'RAD-146-channel', (fields) => ({
    ...fields,
    'hub.channel.type': 'pigeon',
  })),
  subscription('subscribe-topic', 'An empty hub.topic is answered 400', 'RAD-146-topic', (fields) => ({
    ...fields,
    'hub.topic': '',
  })),
  subscription('subscribe-events', 'Empty hub.events are answered 400', 'RAD-146-events', (fields) => ({
    ...fields,
    'hub.events': '',
  })),
  subscription(
    'subscribe-without-events',
    'A request without hub.events is answered 400',
    'RAD-146-events',
    (fields) => ({
      ...fields,
      'hub.events': undefined,
    }),
  ),
  subscription('subscribe-name', 'A request without subscriber.name is answered 400', 'RAD-146-name', (fields) => ({
    ...fields,
    'subscriber.name': undefined,
  })),
  check(
    'session-created',
    'An unknown topic in a subscription creates the session',
    'SUB-12',
    ['RAD-146-create'],
    async (s) => {
      const topic = randomUUID();
      const one = await s.subscribe({ events: PATIENT, fields: { 'hub.topic': topic } });
      const open = await s.accepted(s.event('Patient-open', patientElements(patient()), { topic }));
      await one.event(open.id);
    },
  ),
  check(
    'custom-events',
    'Events of no catalog are taken and distributed',
    'SUB-3',
    ['RAD-146-custom', 'IRA-any-event'],
    async (s) => {
      const name = 'org.example.patient_transmogrify';
      const one = await driver(s, [name, 'Patient-open']);
      const sent = await s.accepted(s.event(name, patientElements(patient())));
      await one.event(sent.id);
    },
  ),
  check(
    'unknown-endpoint',
    'A WebSocket identifier that does not exist is an error',
    'SUB-7',
    ['RAD-147-unknown'],
    async (s) => {
      const fate = await s.fateOf(madeUp(await s.ask({ events: PATIENT })));
      expect(fate === 'refused', 'the connection to be refused or closed', 'the Hub left it open');
    },
  ),
  check(
    'endpoint-over',
    'After unsubscribing the WebSocket identifier is an error',
    'SUB-9',
    ['RAD-152-terminate', 'RAD-147-unknown'],
    async (s) => {
      const one = await driver(s, PATIENT);
      await s.unsubscribe(one);
      await one.waitForClose().catch(() => undefined);
      const fate = await s.fateOf(one.endpoint);
      expect(fate === 'refused', 'the connection to be refused or closed', 'the Hub left it open');
    },
  ),
  check(
    'unsubscribe-channel',
    'Unsubscribing another channel is answered 400',
    'SUB-9',
    ['RAD-152-channel'],
    async (s) => {
      const one = await driver(s, PATIENT);
      status(await s.unsubscribe(one, { 'hub.channel.type': 'pigeon' }), 400, 'an unsubscribe of another channel');
    },
  ),
  check('unsubscribe-topic', 'Unsubscribing without a topic is answered 400', 'SUB-9', ['RAD-152-topic'], async (s) => {
    const one = await driver(s, PATIENT);
    status(await s.unsubscribe(one, { 'hub.topic': '' }), 400, 'an unsubscribe with an empty hub.topic');
  }),
  check(
    'unsubscribe-endpoint',
    'Unsubscribing without an endpoint is answered 400',
    'SUB-9',
    ['RAD-152-endpoint'],
    async (s) => {
      const one = await driver(s, PATIENT);
      for (const endpoint of [undefined, '']) {
        status(await s.unsubscribe(one, { 'hub.channel.endpoint': endpoint }), 400, 'an unsubscribe without endpoint');
      }
    },
  ),
  check(
    'unsubscribe-mismatch',
    'Unsubscribing an endpoint of nobody is answered 400',
    'SUB-9',
    ['RAD-152-mismatch'],
    async (s) => {
      const one = await driver(s, PATIENT);
      status(
        await s.unsubscribe(one, { 'hub.channel.endpoint': madeUp(one.endpoint) }),
        400,
        'an unsubscribe of an unknown endpoint',
      );
    },
  ),
];
