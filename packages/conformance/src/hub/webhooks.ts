import { createHmac } from 'node:crypto';
import type { Check } from '../check.ts';
import { CheckSkip, expect } from '../expecting.ts';
import { alteration } from '../fidelity.ts';
import { isObject, type JsonObject, sameJson, textOf } from '../json.ts';
import { pause } from '../pause.ts';
import {
  type EventMessage,
  encounter,
  encounterElements,
  enriched,
  logoutElements,
  patient,
  patientAbroad,
  patientElements,
  reportElements,
  richPatient,
  richReportContext,
  studyElements,
} from '../samples.ts';
import type { Callback, CallbackRequest, PlayedCallbackAnswer } from '../target/callback.ts';
import type { Scenario } from '../target/scenario.ts';
import { isSyncError, syncErrorCodes, syncErrorIssue } from '../target/subscriber.ts';
import { checksOf, closing, driver, expectRefused, openPatient, PATIENT } from './parts.ts';

export const WEBHOOK_SECRET = 'shhh-this-is-a-secret-of-the-conformance-suite';
const QUERY = 'foo=bar&red=fish';

const check = checksOf({ versions: ['STU2'], needs: ['webhooks'] }, 'webhook-');

type Fields = Readonly<Record<string, string | undefined>>;

function fieldsOf(s: Scenario, url: string, more: Fields = {}): Fields {
  return {
    'hub.channel.type': 'webhook',
    'hub.mode': 'subscribe',
    'hub.topic': s.topic,
    'hub.events': PATIENT.join(','),
    'hub.secret': WEBHOOK_SECRET,
    'hub.callback': url,
    'subscriber.name': 'Webhook',
    ...more,
  };
}

/** Subscribes a webhook; the Hub has verified it when this resolves. */
export async function webhook(
  s: Scenario,
  more: Fields = {},
  query = '',
): Promise<{ hook: Callback; verified: CallbackRequest }> {
  const hook = await s.callback();
  const response = await s.post(fieldsOf(s, `${hook.url}${query && `?${query}`}`, more), { who: 'Webhook' });
  expect(response.status === 202, 'HTTP 202 to a webhook subscription', `HTTP ${response.status} ${response.body}`);
  const verified = await hook.verification();
  await s.settle();
  return { hook, verified };
}

/** Subscribes with a callback that fails the verification, then publishes. */
async function unverified(s: Scenario, answer: PlayedCallbackAnswer): Promise<void> {
  const hook = await s.callback();
  hook.answer = (request) => (request.method === 'GET' ? answer(request) : { status: 200 });
  await s.post(fieldsOf(s, hook.url), { who: 'Webhook' });
  await hook.verification();
  await s.settle();
  await openPatient(s, await driver(s, PATIENT));
  await s.settle();
  expect(hook.deliveries.length === 0, 'no delivery to a callback that was not verified', hook.deliveries[0]?.json);
}

/** Unsubscribes a webhook; the Hub has heard it when this resolves. */
export async function unsubscribeWebhook(s: Scenario, hook: Callback): Promise<void> {
  const fields = fieldsOf(s, hook.url, { 'hub.mode': 'unsubscribe', 'hub.events': undefined });
  const response = await s.post(fields, { who: 'Webhook' });
  expect(response.status === 202, 'HTTP 202', `HTTP ${response.status} ${response.body}`);
  await pause(s.hub.waits.settleMs * 2);
}

async function publish(s: Scenario): Promise<EventMessage> {
  return s.accepted(s.event('Patient-open', patientElements(patient())));
}

/** Throws where a signature is not the HMAC of these bytes with this secret. */
export function expectSigned(given: string, bytes: Buffer, secret: string): void {
  const method = given.split('=')[0] ?? '';
  const known = ['sha1', 'sha256', 'sha384', 'sha512'].includes(method) ? method : 'sha256';
  const right = `${known}=${createHmac(known, secret).update(bytes).digest('hex')}`;
  expect(given === right, `X-Hub-Signature: ${right}`, given);
}

/** A webhook that has refused an open, and another subscriber of the session. */
async function refusing(s: Scenario) {
  const { hook } = await webhook(s);
  hook.answer = () => ({ status: 409 });
  const watcher = await s.subscribe({ events: [...PATIENT, 'SyncError'], name: 'Watcher' });
  const open = await openPatient(s, watcher);
  await hook.delivery(open.id);
  return { watcher, open };
}

/** STU2's webhooks. A verification of an unsubscribe request is confirmed where it comes, and not asked for. */
export const webhooks: readonly Check[] = [
  {
    id: 'webhook-refused',
    title: 'A Hub without webhooks refuses them',
    rule: 'WEB-1',
    requirements: ['STU2-deny-webhook'],
    level: 'SHOULD',
    versions: ['STU2'],
    needs: ['no-webhooks'],
    run: async (s) => {
      const response = await s.post(fieldsOf(s, 'https://app.example.com/callback'));
      expectRefused(response);
    },
  },
  check(
    'accepted',
    'A webhook subscription is answered 202',
    'WEB-1',
    ['STU2-202', 'STU2-webhook-support'],
    async (s) => {
      const hook = await s.callback();
      const response = await s.post(fieldsOf(s, hook.url));
      expect(response.status === 202, 'HTTP 202', `HTTP ${response.status} ${response.body}`);
    },
  ),
  check(
    'without-callback',
    'Without a callback it is refused',
    'WEB-1',
    ['STU2-refused', 'STU2-callback'],
    async (s) => {
      const response = await s.post(fieldsOf(s, '', { 'hub.callback': undefined }));
      expectRefused(response);
    },
  ),
  check('secret-too-long', 'A secret of 200 bytes or more is refused', 'WEB-2', ['STU2-secret'], async (s) => {
    const hook = await s.callback();
    const response = await s.post(fieldsOf(s, hook.url, { 'hub.secret': 's'.repeat(200) }));
    expectRefused(response);
  }),
  check('verified', 'The Hub verifies by GET', 'WEB-1', ['STU2-verify', 'STU2-confirm'], async (s) => {
    const { verified } = await webhook(s);
    expect(verified.method === 'GET', 'a GET', verified.method);
  }),
  check('verification-fields', 'The verification has its five fields', 'WEB-1', ['STU2-verify-fields'], async (s) => {
    const { verified } = await webhook(s);
    const fields = verified.url.searchParams;
    expect(fields.get('hub.mode') === 'subscribe', 'hub.mode=subscribe', verified.url.search);
    expect(fields.get('hub.topic') === s.topic, `hub.topic=${s.topic}`, verified.url.search);
    const events = (fields.get('hub.events') ?? '').toLowerCase();
    expect(events.includes('patient-open') && events.includes('patient-close'), 'hub.events', verified.url.search);
    expect((fields.get('hub.challenge') ?? '') !== '', 'hub.challenge', verified.url.search);
    expect(Number(fields.get('hub.lease_seconds')) > 0, 'hub.lease_seconds: a positive number', verified.url.search);
  }),
  check('challenge-random', 'Every verification has a challenge of its own', 'WEB-1', ['STU2-challenge'], async (s) => {
    const seen = [];
    for (let index = 0; index < 2; index++) {
      const challenge = (await webhook(s)).verified.url.searchParams.get('hub.challenge') ?? '';
      expect(challenge.length >= 8, 'a random challenge', challenge);
      seen.push(challenge);
    }
    expect(seen[0] !== seen[1], 'two different challenges', seen);
  }),
  check('query-kept', 'The callback’s own query comes first and stays', 'WEB-1', ['STU2-query'], async (s) => {
    const { verified } = await webhook(s, {}, QUERY);
    expect(
      verified.url.search.startsWith(`?${QUERY}&hub.`),
      `a query that begins with ?${QUERY}&`,
      verified.url.search,
    );
  }),
  check(
    'wrong-challenge',
    'A body other than the challenge does not verify, however like it is',
    'WEB-1',
    ['STU2-failed-body'],
    async (s) => {
      const others: readonly ((challenge: string) => string)[] = [
        () => 'something else',
        () => '',
        (challenge) => `${challenge}0`,
        (challenge) => challenge.slice(0, -1),
        (challenge) => `{"hub.challenge":"${challenge}"}`,
      ];
      for (const other of others) {
        await unverified(s, ({ url }) => ({ status: 200, body: other(url.searchParams.get('hub.challenge') ?? '') }));
      }
    },
    { seconds: 30 },
  ),
  check('verification-refused', 'A 4xx does not verify', 'WEB-1', ['STU2-failed-status'], async (s) => {
    for (const status of [404, 403, 410]) {
      await unverified(s, ({ url }) => ({ status, body: url.searchParams.get('hub.challenge') ?? '' }));
    }
  }),
  check('verification-redirected', 'A redirection does not verify', 'WEB-1', ['STU2-failed-status'], (s) =>
    unverified(s, ({ url }) => {
      const challenge = url.searchParams.get('hub.challenge') ?? '';
      if (url.searchParams.has('moved')) return { status: 200, body: challenge };
      return { status: 302, location: `?moved=1&hub.challenge=${encodeURIComponent(challenge)}`, body: challenge };
    }),
  ),
  check('verification-error', 'A 500 does not verify', 'WEB-1', ['STU2-failed-status'], (s) =>
    unverified(s, ({ url }) => ({ status: 500, body: url.searchParams.get('hub.challenge') ?? '' })),
  ),
  check('delivered', 'Events are delivered by POST', 'WEB-2', ['STU2-notify', 'STU2-broadcast'], async (s) => {
    const { hook } = await webhook(s);
    const open = await publish(s);
    const delivery = await hook.delivery(open.id);
    expect(delivery.method === 'POST', 'a POST', delivery.method);
    const event = isObject(delivery.json) && isObject(delivery.json.event) ? delivery.json.event : {};
    expect(textOf(event['hub.event']).toLowerCase() === 'patient-open', 'the Patient-open', delivery.json);
    expect(event['hub.topic'] === s.topic, `hub.topic: "${s.topic}"`, delivery.json);
  }),
  check(
    'delivered-fields',
    'A delivery has its id, timestamp, event and context',
    'WEB-2',
    ['STU2-notification', 'STU2-notify'],
    async (s) => {
      const { hook } = await webhook(s);
      const open = await publish(s);
      const isEvent = (one: CallbackRequest) => one.method === 'POST' && isObject(one.json) && isObject(one.json.event);
      const json = (await hook.next('a POST of the event', isEvent)).json as JsonObject;
      expect(typeof json.id === 'string' && json.id !== '', 'id: a string', json.id);
      const time = typeof json.timestamp === 'string' ? Date.parse(json.timestamp) : Number.NaN;
      expect(time === Date.parse(open.timestamp), `timestamp: "${open.timestamp}"`, json.timestamp);
      const { context } = json.event as JsonObject;
      expect(sameJson(context, open.event.context), 'the context as it was sent', context);
    },
  ),
  check(
    'delivered-to-query',
    'Deliveries go to the callback with its query',
    'WEB-2',
    ['STU2-post-query'],
    async (s) => {
      const { hook } = await webhook(s, {}, QUERY);
      const open = await publish(s);
      const { url } = await hook.delivery(open.id);
      expect(url.search === `?${QUERY}`, `the query ?${QUERY}`, url.search);
    },
  ),
  check(
    'signature',
    'The signature is the HMAC of the exact bytes',
    'WEB-2',
    ['STU2-signature', 'STU2-hmac'],
    async (s) => {
      const { hook } = await webhook(s);
      // Characters of several bytes: a Hub that signs anything but the bytes that it sends shows here.
      const open = await s.accepted(s.event('Patient-open', patientElements(patientAbroad())));
      const delivery = await hook.delivery(open.id);
      expectSigned(String(delivery.headers['x-hub-signature'] ?? ''), delivery.bytes, WEBHOOK_SECRET);
    },
  ),
  check('every-delivery', 'Of ten events every one is delivered once', 'WEB-2', ['STU2-notify'], async (s) => {
    const { hook } = await webhook(s);
    const sent = [];
    for (let index = 0; index < 10; index++) sent.push(await publish(s));
    for (const message of sent) await hook.delivery(message.id);
    await s.settle();
    for (const { id } of sent) {
      const times = hook.deliveries.filter(({ json }) => json.id === id).length;
      expect(times === 1, `the event ${id} once`, `${times} times`);
    }
  }),
  check(
    'delivered-same',
    'What is delivered is what was published',
    'PUB-13',
    ['STU2-notification', 'STU2-broadcast'],
    async (s) => {
      const { hook } = await webhook(s);
      const open = await s.accepted(s.event('Patient-open', patientElements(richPatient())));
      const { bytes } = await hook.delivery(open.id);
      const found = alteration(JSON.stringify(open), bytes.toString('utf8'));
      expect(found === undefined, `${found?.path} as it was published: ${found?.sent}`, found?.came);
    },
    { safety: true },
  ),
  check(
    'every-kind-same',
    'Whatever kind of event it is, it is delivered as it was published, and large ones whole',
    'PUB-13',
    ['STU2-notification', 'STU2-broadcast'],
    async (s) => {
      const context = richReportContext();
      const of = context.patient;
      const photo = [{ contentType: 'image/png', data: 'QUJD'.repeat(25_000) }];
      const opens = [
        s.event('Patient-open', patientElements({ ...richPatient(), photo })),
        s.event('Encounter-open', encounterElements(enriched(encounter(of)), of)),
        s.event('ImagingStudy-open', studyElements(context.study, of)),
        s.event('DiagnosticReport-open', reportElements(context)),
      ];
      const others = [s.event('Home-open', []), s.event('UserHibernate', logoutElements())];
      const messages = [...opens, ...opens.map((open) => closing(s, open)), ...others].filter((message) =>
        s.claims(message.event['hub.event']),
      );
      const { hook } = await webhook(s, { 'hub.events': messages.map(({ event }) => event['hub.event']).join(',') });
      for (const message of messages) {
        const response = await s.publish(message);
        if (response.status === 413) continue;
        expect(response.status < 300, 'a successful status', `HTTP ${response.status} ${response.body}`);
        const { bytes, headers } = await hook.delivery(message.id);
        const found = alteration(JSON.stringify(message), bytes.toString('utf8'));
        expect(found === undefined, `${found?.path} as it was published: ${found?.sent}`, found?.came);
        expectSigned(String(headers['x-hub-signature'] ?? ''), bytes, WEBHOOK_SECRET);
      }
    },
    { safety: true, seconds: 30 },
  ),
  check(
    'each-its-own',
    'Each of several callbacks gets what is its own: its session, its events, its secret',
    'WEB-2',
    ['STU2-signature', 'STU2-notify', 'STU2-override'],
    async (s) => {
      const other = await s.otherTopic();
      const secrets = [
        'the-secret-of-the-first-callback',
        'the-secret-of-the-second-one',
        'the-second-secret-of-the-first',
      ];
      const { hook: first } = await webhook(s, { 'hub.secret': secrets[0] });
      const { hook: second } = await webhook(s, { 'hub.secret': secrets[1], 'hub.events': 'Patient-open' });
      const { hook: elsewhere } = await webhook(s, { 'hub.topic': other });
      const signed = async (hook: Callback, secret: string | undefined, id: string) => {
        const { bytes, headers } = await hook.delivery(id);
        expectSigned(String(headers['x-hub-signature'] ?? ''), bytes, secret ?? '');
      };
      const open = await publish(s);
      await signed(first, secrets[0], open.id);
      await signed(second, secrets[1], open.id);
      const close = await s.accepted(closing(s, open));
      await first.delivery(close.id);
      await s.settle();
      expect(!second.deliveries.some(({ json }) => json.id === close.id), 'no event of another callback', close.id);
      expect(elsewhere.deliveries.length === 0, 'no event of another session', elsewhere.deliveries[0]?.json);
      first.requests.length = 0;
      await s.post(fieldsOf(s, first.url, { 'hub.secret': secrets[2] }), { who: 'Webhook' });
      await first.verification();
      await s.settle();
      const next = await publish(s);
      await signed(first, secrets[2], next.id);
      await signed(second, secrets[1], next.id);
      await s.post(fieldsOf(s, first.url, { 'hub.mode': 'unsubscribe', 'hub.events': undefined }), { who: 'Webhook' });
      await pause(s.hub.waits.settleMs * 2);
      const last = await publish(s);
      await signed(second, secrets[1], last.id);
    },
    { safety: true, seconds: 30 },
  ),
  check(
    'signature-strong',
    'The signature is made by a stronger method than SHA-1',
    'WEB-2',
    ['STU2-hmac'],
    async (s) => {
      const { hook } = await webhook(s);
      const open = await publish(s);
      const given = String((await hook.delivery(open.id)).headers['x-hub-signature'] ?? '');
      expect(!/^sha1=/i.test(given), 'sha256=…, sha384=… or sha512=…', given);
    },
    { level: 'SHOULD' },
  ),
  check('signature-form', 'The signature is method=hexadecimal', 'WEB-2', ['STU2-signature-form'], async (s) => {
    const { hook } = await webhook(s);
    const open = await publish(s);
    const given = String((await hook.delivery(open.id)).headers['x-hub-signature'] ?? '');
    expect(/^sha(1|256|384|512)=[0-9a-f]+$/.test(given), 'sha256=… in hexadecimal', given);
  }),
  check('subscribed-only', 'Only events subscribed to are delivered', 'PUB-3', ['STU2-notify'], async (s) => {
    const { hook } = await webhook(s, { 'hub.events': 'Patient-close' });
    const one = await driver(s, PATIENT);
    const open = await openPatient(s, one);
    const close = await s.accepted(closing(s, open));
    await hook.delivery(close.id);
    await s.settle();
    const other = hook.deliveries.find(({ json }) => json.id === open.id);
    expect(other === undefined, 'Patient-close only', other?.json);
  }),
  check(
    'resubscribed',
    'A new request at the callback replaces the events',
    'SUB-6',
    ['STU2-override', 'STU2-again'],
    async (s) => {
      const { hook } = await webhook(s, { 'hub.events': 'Patient-open' });
      hook.requests.length = 0;
      await s.post(fieldsOf(s, hook.url, { 'hub.events': 'Patient-close' }), { who: 'Webhook' });
      await hook.verification();
      await s.settle();
      const one = await driver(s, PATIENT);
      const open = await openPatient(s, one);
      const close = await s.accepted(closing(s, open));
      await hook.delivery(close.id);
      expect(!hook.deliveries.some(({ json }) => json.id === open.id), 'no event of the old list', 'it was delivered');
    },
  ),
  check(
    'unsubscribed',
    'After unsubscribing nothing is delivered',
    'WEB-3',
    ['STU2-unsubscribe', 'STU2-override'],
    async (s) => {
      const { hook } = await webhook(s);
      await unsubscribeWebhook(s, hook);
      const open = await openPatient(s, await driver(s, PATIENT));
      await s.settle();
      expect(!hook.deliveries.some(({ json }) => json.id === open.id), 'no delivery', 'the event was delivered');
    },
  ),
  check(
    'unsubscribed-in-part',
    'Unsubscribing some of the events unsubscribes all',
    'WEB-3',
    ['STU2-partial'],
    async (s) => {
      const { hook } = await webhook(s);
      const fields = fieldsOf(s, hook.url, { 'hub.mode': 'unsubscribe', 'hub.events': 'Patient-close' });
      const response = await s.post(fields, { who: 'Webhook' });
      // To carry `hub.events` such a request is not allowed: refusing it is an answer too.
      if (response.status >= 400) return;
      await pause(s.hub.waits.settleMs * 2);
      const open = await openPatient(s, await driver(s, PATIENT));
      await s.settle();
      expect(!hook.deliveries.some(({ json }) => json.id === open.id), 'no delivery', 'the event was delivered');
    },
  ),
  check(
    'lease',
    'After its lease nothing is delivered',
    'SUB-5',
    ['STU2-lease'],
    async (s) => {
      const { hook, verified } = await webhook(s, { 'hub.lease_seconds': '2' });
      const lease = Number(verified.url.searchParams.get('hub.lease_seconds'));
      if (!(lease <= 8)) throw new CheckSkip(`The Hub gave a lease of ${lease} s where 2 s were asked for`);
      await pause(lease * 1000 + s.hub.waits.settleMs * 4);
      const open = await openPatient(s, await driver(s, PATIENT));
      await s.settle();
      expect(
        !hook.deliveries.some(({ json }) => json.id === open.id),
        'no delivery after the lease',
        'the event was delivered',
      );
    },
    { seconds: 30 },
  ),
  check(
    'refusal',
    'A refusal becomes a SyncError to the others',
    'ERR-2',
    ['STU2-error'],
    async (s) => {
      const { watcher } = await refusing(s);
      await watcher.notification('a SyncError', isSyncError);
    },
    { level: 'SHOULD', safety: true, seconds: 25 },
  ),
  check(
    'syncerror',
    'The SyncError about a refusal says which event was refused',
    'ERR-2',
    ['STU2-outcome'],
    async (s) => {
      const { watcher, open } = await refusing(s);
      const error = await watcher.notification('a SyncError', isSyncError).catch(() => undefined);
      if (!error) throw new CheckSkip('The Hub sent no SyncError, which is a SHOULD: see webhook-refusal');
      expect(syncErrorIssue(error)?.code === 'processing', 'issue.code: "processing"', syncErrorIssue(error));
      const { eventId, eventName } = syncErrorCodes(error);
      const named = eventId === open.id && textOf(eventName).toLowerCase() === 'patient-open';
      expect(named, `codings of the event id ${open.id} and its name`, syncErrorIssue(error));
    },
    { seconds: 25 },
  ),
  check('accepted-later', 'A 202 to a delivery is no error', 'WEB-2', ['STU2-notify'], async (s) => {
    const { hook } = await webhook(s);
    hook.answer = () => ({ status: 202 });
    const watcher = await s.subscribe({ events: [...PATIENT, 'SyncError'], name: 'Watcher' });
    const open = await openPatient(s, watcher);
    await hook.delivery(open.id);
    await s.settle();
    const error = watcher.events.find(isSyncError);
    expect(error === undefined, 'no SyncError', error?.frame.text);
  }),
];
