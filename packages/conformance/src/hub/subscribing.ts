import type { Check } from '../check.ts';
import { CheckSkip, expect } from '../expecting.ts';
import { form } from '../target/http.ts';
import { endpointOf, type FormFields, succeeded } from '../target/scenario.ts';
import { ALL, CORE, driver, expectRefused, madeUp, openPatient, PATIENT } from './parts.ts';

/** A subscription request that a Hub has to refuse. */
function refusal(
  id: string,
  title: string,
  change: (fields: Record<string, string>) => FormFields,
  more: Partial<Pick<Check, 'level' | 'requirements' | 'rule'>> = {},
): Check {
  return {
    id,
    title,
    rule: 'SUB-2',
    requirements: ['2.4-error'],
    level: 'SHALL',
    versions: ALL,
    ...more,
    run: async (s) => {
      const response = await s.post(change(s.fields(PATIENT)));
      expectRefused(response);
    },
  };
}

/** A lease that is no number of seconds: the Hub refuses it, or passes it over; what it confirms is a lease all the same. */
function unusableLease(id: string, title: string, lease: string): Check {
  return {
    id,
    title,
    rule: 'SUB-1',
    requirements: ['2.4-confirm-lease', '2.4-error'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const response = await s.post({ ...s.fields(PATIENT), 'hub.lease_seconds': lease });
      if (!succeeded(response)) return expectRefused(response);
      const given = (await (await s.connect(endpointOf(response))).confirmation())['hub.lease_seconds'];
      const right = typeof given === 'number' && given > 0;
      expect(right, `HTTP 4xx or 5xx to a lease of "${lease}", or a positive lease in the confirmation`, given);
    },
  };
}

const without = (name: string) => (fields: Record<string, string>) => ({ ...fields, [name]: undefined });
const withField = (name: string, value: string | readonly string[]) => (fields: Record<string, string>) => ({
  ...fields,
  [name]: value,
});

/** How a subscription request is answered. */
export const subscribing: readonly Check[] = [
  {
    id: 'subscribe-accepted',
    title: 'A subscription request is answered 202',
    rule: 'SUB-2',
    requirements: ['2.4-response', 'STU2-202', 'STU2-sockets', 'RAD-146-several', 'RAD-146-add'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const response = await s.post(s.fields(PATIENT));
      expect(response.status === 202, 'HTTP 202', `HTTP ${response.status} ${response.body}`);
    },
  },
  {
    id: 'subscribe-endpoint',
    title: 'The answer holds hub.channel.endpoint',
    rule: 'SUB-2',
    requirements: ['2.4-endpoint'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => void endpointOf(await s.post(s.fields(PATIENT))),
  },
  {
    id: 'subscribe-mime-type',
    title: 'The answer is application/json',
    rule: 'SUB-2',
    requirements: ['2.4-json'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const type = (await s.post(s.fields(PATIENT))).headers['content-type'];
      expect(/^application\/json\b/i.test(type ?? ''), 'Content-Type: application/json', type);
    },
  },
  {
    id: 'subscribe-without-name',
    title: 'A subscription needs no subscriber.name',
    rule: 'SUB-1',
    requirements: ['2.4-name', '2.4-response'],
    level: 'SHALL',
    versions: ['3.0.0', 'STU2'],
    run: async (s) => {
      const one = await s.subscribe({ events: PATIENT, fields: { 'subscriber.name': undefined } });
      await openPatient(s, one);
    },
  },
  {
    id: 'subscribe-form-charset',
    title: 'A form that names its character set is a form',
    rule: 'SUB-1',
    requirements: ['2.4-response'],
    level: 'SHOULD',
    versions: ALL,
    run: async (s) => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' };
      const response = await s.request('POST', '', { headers, body: form(s.fields(PATIENT)) });
      expect(response.status === 202, 'HTTP 202', `HTTP ${response.status} ${response.body}`);
    },
  },
  {
    id: 'endpoint-unique',
    title: 'Every subscription has an endpoint of its own',
    rule: 'SUB-2',
    requirements: ['2.4-random'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const endpoints = [];
      for (const name of ['Alpha', 'Beta', 'Gamma']) endpoints.push(await s.ask({ events: PATIENT, name }));
      expect(new Set(endpoints).size === 3, 'three different endpoints', endpoints);
    },
  },
  {
    id: 'endpoint-unguessable',
    title: 'Endpoints do not follow from one another',
    rule: 'SUB-2',
    requirements: ['2.4-random'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const endpoints = [];
      for (const name of ['Alpha', 'Beta', 'Gamma', 'Delta']) endpoints.push(await s.ask({ events: PATIENT, name }));
      const bare = endpoints.map((one) => one.replaceAll(s.topic, '').replaceAll(encodeURIComponent(s.topic), ''));
      // 16 characters that change from one endpoint to the next: less than that is no random identifier.
      for (const [index, one] of bare.entries()) {
        const next = bare[(index + 1) % bare.length]!;
        const changed = [...one].filter((character, at) => character !== next[at]).length;
        expect(changed >= 16, 'at least 16 characters that differ from endpoint to endpoint', endpoints);
      }
    },
  },
  refusal('subscribe-without-mode', 'Without hub.mode it is refused', without('hub.mode')),
  refusal('subscribe-unknown-mode', 'An unknown hub.mode is refused', withField('hub.mode', 'transmogrify')),
  refusal('subscribe-without-topic', 'Without hub.topic it is refused', without('hub.topic')),
  refusal('subscribe-without-events', 'Without hub.events it is refused', without('hub.events')),
  refusal('subscribe-without-channel', 'Without hub.channel.type it is refused', without('hub.channel.type'), {
    level: 'SHOULD',
    requirements: ['2.4-channel'],
  }),
  refusal('subscribe-unknown-channel', 'An unknown channel is refused', withField('hub.channel.type', 'pigeon')),
  unusableLease('subscribe-lease-no-number', 'A lease that is no number is refused or passed over', 'soon'),
  unusableLease('subscribe-lease-negative', 'A negative lease is refused or passed over', '-5'),
  refusal(
    'subscribe-field-twice',
    'A field given twice is refused',
    withField('hub.mode', ['subscribe', 'unsubscribe']),
    { rule: 'SUB-1', level: 'SHOULD', requirements: ['2.4-once', '2.4-error'] },
  ),
  {
    id: 'refusal-says-why',
    title: 'A refusal says why, as plain text',
    rule: 'SUB-2',
    requirements: ['2.4-error-text'],
    level: 'SHOULD',
    versions: ALL,
    run: async (s) => {
      const response = await s.post(withField('hub.mode', 'transmogrify')(s.fields(PATIENT)));
      if (succeeded(response)) throw new CheckSkip('The Hub refuses nothing of this: see subscribe-unknown-mode');
      const type = response.headers['content-type'] ?? '';
      expect(/^text\/plain\b/i.test(type), 'Content-Type: text/plain', type);
      expect(response.body.trim() !== '', 'a description of the error', response.body);
    },
  },
  {
    id: 'refusal-changes-nothing',
    title: 'A refused request leaves the subscription as it was',
    rule: 'SUB-2',
    requirements: ['2.4-error'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const fields = { ...s.fields(['Encounter-open'], 'Driver'), 'hub.channel.endpoint': one.endpoint };
      const response = await s.post({ ...fields, 'hub.mode': 'transmogrify' });
      if (succeeded(response)) throw new CheckSkip('The Hub refuses nothing of this: see subscribe-unknown-mode');
      await openPatient(s, one);
    },
  },
  {
    id: 'refusal-of-garbage',
    title: 'A body that is no form is refused, and nobody is disturbed',
    rule: 'PUB-6',
    requirements: ['2.4-error'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const response = await s.request('POST', '', {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: '\u0000%%%=&&&{"hub.mode":',
      });
      expectRefused(response);
      await openPatient(s, one);
    },
  },
  {
    id: 'unknown-endpoint-tells-nothing',
    title: 'An endpoint that the Hub never gave tells nothing',
    rule: 'SUB-7',
    requirements: ['2.4-random'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const endpoint = await s.ask({ events: PATIENT });
      const fate = await s.fateOf(madeUp(endpoint));
      expect(
        fate !== 'served',
        'nothing at an endpoint that was made up',
        'the Hub confirmed a subscription or sent events',
      );
    },
  },
];
