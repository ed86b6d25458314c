import type { Check } from '../check.ts';
import { CheckSkip, expect, stepping } from '../expecting.ts';
import { numberOf, objects, sameJson, textOf } from '../json.ts';
import { pause } from '../pause.ts';
import {
  encounter,
  encounterElements,
  patient,
  patientElements,
  reportContext,
  reportElements,
  study,
  studyElements,
} from '../samples.ts';
import { type Scenario, succeeded } from '../target/scenario.ts';
import type { PlayedSubscriber, ReceivedFrame } from '../target/subscriber.ts';
import { ALL, CONTEXT_EVENTS, CORE, close, closing, driver, openPatient, PATIENT } from './parts.ts';

const names = (list: unknown) =>
  (Array.isArray(list) ? list.map(textOf) : textOf(list).split(',')).map((name) => name.trim().toLowerCase());

/** A check on one field of the confirmation. */
function confirmation(
  id: string,
  title: string,
  requirement: string,
  judge: (message: Record<string, unknown>, s: Scenario) => void,
): Check {
  return {
    id,
    title,
    rule: 'SUB-7',
    requirements: [requirement],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const endpoint = await s.ask({ events: PATIENT });
      const one = await s.connect(endpoint);
      const first = () => one.frame('a first message', (frame) => frame.message?.event === undefined);
      const message = await stepping('confirm', async () => {
        const { message = {}, text } = await first();
        // A greeting is no confirmation with everything missing.
        const confirms = Object.keys(message).some((member) => member.startsWith('hub.'));
        expect(confirms, 'the confirmation of the subscription', text);
        return message;
      });
      judge(message, s);
    },
  };
}

/** Leases that are waited for, s. */
const LONGEST_LEASE = 8;

interface ShortLease {
  readonly one: PlayedSubscriber;
  /** Seconds that the Hub gave. */
  readonly lease: number;
  /** When it was asked for: the lease cannot have begun before. */
  readonly asked: number;
  /** When its confirmation came: the lease had begun by then. */
  readonly confirmed: number;
}

/** Subscribes for a short time, longer where everything takes longer, and returns how long the Hub gave. */
async function shortLease(s: Scenario): Promise<ShortLease> {
  const wanted = Math.min(LONGEST_LEASE, Math.round(1 + s.hub.pace.factor));
  const asked = performance.now();
  const one = await s.subscribe({ events: PATIENT, name: 'Short', lease: wanted });
  const confirmed = performance.now();
  const lease = numberOf((await one.confirmation())['hub.lease_seconds']);
  if (!(lease <= LONGEST_LEASE)) {
    throw new CheckSkip(`The Hub gave a lease of ${lease} s where ${wanted} s were asked for`);
  }
  return { one, lease, asked, confirmed };
}

/** How long nothing happens in a session, ms. */
const IDLE = 10_000;

/** How long it is to a moment, ms. */
const until = (moment: number): number => Math.max(0, moment - performance.now());

/** What a Hub may be late with the end of a lease, ms. */
const lateness = (s: Scenario) => s.hub.waits.timeoutMs;

/** A subscription that is there: confirmed, leased, asked for again, beside others. */
export const subscriptions: readonly Check[] = [
  {
    id: 'confirmation-sent',
    title: 'The first message on the socket is the confirmation',
    rule: 'SUB-7',
    requirements: ['2.4-confirm', 'RAD-147-open'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const one = await s.subscribe({ events: PATIENT });
      const first = one.frames[0];
      expect(first?.message?.['hub.mode'] === 'subscribe', 'the confirmation as first message', first?.text);
    },
  },
  confirmation('confirmation-mode', 'hub.mode is "subscribe"', '2.4-confirm-mode', (message) =>
    expect(message['hub.mode'] === 'subscribe', 'hub.mode: "subscribe"', message),
  ),
  confirmation('confirmation-topic', 'hub.topic is the session', '2.4-confirm-topic', (message, s) =>
    expect(message['hub.topic'] === s.topic, `hub.topic: "${s.topic}"`, message),
  ),
  confirmation(
    'confirmation-events',
    'hub.events is a comma-separated string of the events',
    '2.4-confirm-events',
    (message) => {
      expect(typeof message['hub.events'] === 'string', 'hub.events: a string', message);
      const granted = names(message['hub.events']);
      const known = granted.includes('patient-open') || granted.includes('patient-close');
      expect(known, 'Patient-open, Patient-close', message);
    },
  ),
  {
    id: 'confirmation-kept',
    title: 'What the confirmation names is delivered, and nothing that it does not name',
    rule: 'SUB-7',
    requirements: ['2.4-confirm-events', '2.4-not-subscribed', '2.5-notify'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const one = await s.subscribe({ events: PATIENT, name: 'Second' });
      // A Hub may grant more than was asked for, or less.
      const granted = names((await one.confirmation())['hub.events']);
      const of = patient();
      const opens = [
        s.event('Patient-open', patientElements(of)),
        s.event('Encounter-open', encounterElements(encounter(of), of)),
        s.event('ImagingStudy-open', studyElements(study(of), of)),
        s.event('DiagnosticReport-open', reportElements(reportContext())),
      ].filter((message) => s.claims(message.event['hub.event']));
      for (const open of opens) {
        for (const message of [open, closing(s, open)]) {
          await s.accepted(message);
          await all.event(message.id);
          if (granted.includes(message.event['hub.event'].toLowerCase())) await one.event(message.id);
        }
      }
      await s.settle();
      const other = one.events.find(({ name }) => !granted.includes(name));
      expect(other === undefined, `only what the confirmation names: ${granted.join(', ')}`, other?.frame.text);
    },
  },
  {
    id: 'confirmation-alone',
    title: 'A confirmation comes to the new subscriber alone',
    rule: 'SUB-7',
    requirements: ['2.4-confirm', '2.4-confirm-events'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const first = await s.subscribe({ events: ['Patient-open'], name: 'First' });
      const before = first.frames.length;
      const later = [];
      for (const name of ['Second', 'Third']) later.push(await s.subscribe({ events: PATIENT, name }));
      await s.settle();
      const told = first.frames.slice(before).find(({ message }) => message?.['hub.mode'] !== undefined);
      expect(told === undefined, 'nothing of it to who was there before', told?.text);
      const open = await openPatient(s, first);
      for (const one of later) await one.event(open.id);
    },
  },
  {
    id: 'connection-lasts',
    title: 'After a while in which nothing happens everybody is told the next event, and newcomers what is open',
    rule: 'SUB-11',
    requirements: ['2.4-confirm-lease', '2.5-notify'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    seconds: 40,
    run: async (s) => {
      const [one, other] = [await driver(s, PATIENT), await s.subscribe({ events: PATIENT, name: 'Second' })];
      const open = await openPatient(s, one);
      await pause(IDLE);
      for (const { name, closed } of [one, other]) expect(!closed, `the connection of ${name} to last`, closed);
      // What is open stays open, for newcomers and for who asks.
      const told = CORE.some((version) => s.hub.versions.has(version));
      if (told) {
        const late = await s.subscribe({ events: PATIENT, name: 'Late' });
        await stepping('welcome', () => late.event(open.id));
      }
      if (told && s.hub.claims.has('get-current')) {
        const { context } = await s.context();
        expect(sameJson(objects(context)[0], open.event.context[0]), 'the patient, still current', context);
      }
      const close = await s.accepted(closing(s, open));
      for (const each of [one, other]) await each.event(close.id);
    },
  },
  confirmation('confirmation-lease', 'hub.lease_seconds is a positive number', '2.4-confirm-lease', (message) => {
    const lease = message['hub.lease_seconds'];
    expect(typeof lease === 'number' && lease > 0, 'hub.lease_seconds: a positive JSON number', message);
  }),
  {
    id: 'events-as-set',
    title: 'An event named twice is delivered once',
    rule: 'SUB-3',
    requirements: ['2.4-set'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    run: async (s) => {
      const one = await driver(s, ['Patient-open', 'Patient-open', 'patient-open']);
      const open = await openPatient(s, one);
      await s.settle();
      const times = one.events.filter((event) => event.id === open.id).length;
      expect(times === 1, 'the event once', `${times} times`);
      const granted = names((await one.confirmation())['hub.events']).filter((name) => name === 'patient-open').length;
      expect(granted === 1, 'Patient-open once in the confirmation', await one.confirmation());
    },
  },
  {
    id: 'subscribe-any-case',
    title: 'Event names in a subscription are compared without regard to case',
    rule: 'SUB-3',
    requirements: ['2.4-case', '2.3-case'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, ['patient-OPEN']);
      await openPatient(s, one);
    },
  },
  {
    id: 'publish-any-case',
    title: 'Event names in a request are compared without regard to case',
    rule: 'SUB-3',
    requirements: ['2.6-case', '2.3-case'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, ['Patient-open']);
      const open = await s.accepted(s.event('patient-oPEN', patientElements(patient())));
      await one.event(open.id);
    },
  },
  {
    id: 'resubscribe-accepted',
    title: 'A subscription can be asked for again at its endpoint',
    rule: 'SUB-6',
    requirements: ['2.4-again'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      await s.ask({ events: PATIENT, name: 'Driver', fields: { 'hub.channel.endpoint': one.endpoint } });
      await openPatient(s, one);
    },
  },
  {
    id: 'resubscribe-adds-events',
    title: 'Events named in a new request are delivered',
    rule: 'SUB-6',
    requirements: ['2.4-override', '2.4-replace', 'RAD-146-update'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, ['Patient-open']);
      await s.ask({ events: PATIENT, name: 'Driver', fields: { 'hub.channel.endpoint': one.endpoint } });
      const open = await openPatient(s, one);
      await close(s, open, one);
    },
  },
  {
    id: 'resubscribe-drops-events',
    title: 'Events no longer named are no longer delivered',
    rule: 'SUB-6',
    requirements: ['2.4-replace', '2.4-override'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      await s.ask({ events: ['Patient-open'], name: 'Driver', fields: { 'hub.channel.endpoint': one.endpoint } });
      const first = await openPatient(s, one);
      await s.accepted(closing(s, first));
      await openPatient(s, one);
      await s.settle();
      const close = one.events.find((event) => event.name === 'patient-close');
      expect(close === undefined, 'no Patient-close after it was left out', close?.frame.text);
    },
  },
  {
    id: 'resubscribe-confirmed',
    title: 'A confirmation of the new request names the new events',
    rule: 'SUB-6',
    requirements: ['2.4-confirm-events', '2.4-replace'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const before = one.frames.length;
      await s.ask({ events: ['Patient-open'], name: 'Driver', fields: { 'hub.channel.endpoint': one.endpoint } });
      await openPatient(s, one);
      await s.settle();
      const again = one.frames.slice(before).find(({ message }) => message?.['hub.mode'] === 'subscribe')?.message;
      if (!again)
        throw new CheckSkip('The Hub sends no second confirmation, which the text asks for at connecting only');
      expect(again['hub.topic'] === s.topic, `hub.topic: "${s.topic}"`, again);
      const granted = names(again['hub.events']);
      expect(granted.includes('patient-open') && !granted.includes('patient-close'), 'Patient-open alone', again);
      const lease = again['hub.lease_seconds'];
      expect(typeof lease === 'number' && lease > 0, 'hub.lease_seconds: a positive JSON number', again);
    },
  },
  {
    id: 'resubscribe-leaves-others',
    title: 'A new request at one endpoint changes nothing for the others',
    rule: 'SUB-6',
    requirements: ['2.4-override', '2.5-notify'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const [earlier, one, later] = [
        await s.subscribe({ events: PATIENT, name: 'Earlier' }),
        await driver(s, PATIENT),
        await s.subscribe({ events: ['Patient-close'], name: 'Later' }),
      ];
      await s.ask({ events: ['Patient-open'], name: 'Driver', fields: { 'hub.channel.endpoint': one.endpoint } });
      const open = await openPatient(s, one);
      await earlier.event(open.id);
      const close = await s.accepted(closing(s, open));
      for (const other of [earlier, later]) await other.event(close.id);
      await s.settle();
      const told = later.events.find(({ name }) => name === 'patient-open');
      expect(told === undefined, 'no Patient-open to who subscribed to Patient-close', told?.frame.text);
    },
  },
  {
    id: 'lease-shortened',
    title: 'A new request for a shorter lease shortens it',
    rule: 'SUB-6',
    requirements: ['2.4-lease-end', '2.4-override'],
    level: 'SHALL',
    versions: ALL,
    seconds: 30,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const before = one.frames.length;
      const wanted = String(Math.min(LONGEST_LEASE, Math.round(1 + s.hub.pace.factor)));
      const fields = { 'hub.channel.endpoint': one.endpoint, 'hub.lease_seconds': wanted };
      await s.ask({ events: PATIENT, name: 'Driver', fields });
      const isNew = (frame: ReceivedFrame) =>
        one.frames.indexOf(frame) >= before && frame.message?.['hub.mode'] === 'subscribe';
      const again = await one.frame('another confirmation', isNew).catch(() => undefined);
      const lease = numberOf(again?.message?.['hub.lease_seconds']);
      if (!(lease <= LONGEST_LEASE)) throw new CheckSkip('The Hub confirms no shorter lease, which is its own affair');
      await one.waitForClose(until((again?.at ?? 0) + lease * 1000) + lateness(s));
    },
  },
  {
    id: 'lease-within-token',
    title: 'A lease ends with the access token at the latest',
    rule: 'SUB-5',
    requirements: ['2.4-lease-token'],
    level: 'SHALL',
    versions: ALL,
    needs: ['tokens'],
    run: async (s) => {
      const end = s.token?.expiresAt;
      if (end === undefined) throw new CheckSkip('Nobody said how long the access token lives');
      // What is left when the Hub is asked is the most that it may give.
      const left = Math.ceil((end - Date.now()) / 1000) + 2;
      const one = await s.subscribe({ events: PATIENT, lease: 10_000_000 });
      const lease = numberOf((await one.confirmation())['hub.lease_seconds']);
      expect(lease <= left, `a lease of at most ${left} s, the token's remaining life`, `${lease} s`);
    },
  },
  {
    id: 'lease-closes-socket',
    title: 'At the end of its lease a subscription’s socket is closed',
    rule: 'SUB-5',
    requirements: ['2.4-lease-end'],
    level: 'SHALL',
    versions: ALL,
    seconds: 30,
    run: async (s) => {
      const { one, lease, confirmed } = await shortLease(s);
      await one.waitForClose(until(confirmed + lease * 1000) + lateness(s));
    },
  },
  {
    id: 'lease-ends-delivery',
    title: 'After its lease a subscriber gets no more events',
    rule: 'SUB-5',
    requirements: ['2.4-lease-end'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    seconds: 30,
    run: async (s) => {
      const stays = await driver(s, PATIENT);
      const { one, lease, confirmed } = await shortLease(s);
      await pause(until(confirmed + lease * 1000) + s.hub.waits.settleMs * 4);
      const open = await openPatient(s, stays);
      await s.settle();
      expect(!one.events.some((event) => event.id === open.id), 'no event after the lease', 'the event was delivered');
      const fate = await s.fateOf(one.endpoint);
      expect(fate !== 'served', 'the endpoint to be over after the lease', 'the Hub confirmed a connection to it');
    },
  },
  {
    id: 'lease-lasts',
    title: 'A subscription stays active until the end of its lease',
    rule: 'SUB-5',
    requirements: ['2.4-confirm-lease'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    seconds: 30,
    run: async (s) => {
      const { one, lease, asked } = await shortLease(s);
      // The Hub's clock may have begun when it was asked; a tenth of the time counts as measuring error.
      await one.waitForClose(until(asked + lease * 900)).catch(() => undefined);
      const after = `closed ${Math.round(performance.now() - asked)} ms after it was asked for`;
      expect(one.closed === undefined, `the socket to stay open for ${lease} s`, after);
    },
  },
  {
    id: 'lease-renewed',
    title: 'A new request at the endpoint renews the lease',
    rule: 'SUB-6',
    requirements: ['2.4-again', '2.4-override', 'RAD-146-expiry'],
    level: 'SHALL',
    versions: ALL,
    seconds: 30,
    run: async (s) => {
      const { one, lease, confirmed } = await shortLease(s);
      await s.ask({ events: PATIENT, name: 'Short', lease: 600, fields: { 'hub.channel.endpoint': one.endpoint } });
      await pause(until(confirmed + lease * 1000) + 700);
      expect(one.closed === undefined, 'the renewed subscription to live on', 'the socket was closed');
      await openPatient(s, one);
    },
  },
  {
    id: 'several-subscribers',
    title: 'One session has several subscribers at once',
    rule: 'PUB-3',
    requirements: ['2.6-broadcast', 'RAD-146-several', 'RAD-147-use'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const all = [];
      for (let index = 0; index < 6; index++) all.push(await s.subscribe({ events: PATIENT, name: `App ${index}` }));
      const response = await s.publish(s.event('Patient-open', patientElements(patient()), { id: `six-${s.topic}` }));
      expect(succeeded(response), 'a successful status', `HTTP ${response.status} ${response.body}`);
      await Promise.all(all.map((one) => one.event(`six-${s.topic}`)));
    },
  },
  {
    id: 'same-name-apart',
    title: 'Two applications of one name are two subscribers',
    rule: 'PUB-3',
    requirements: ['2.4-name', '2.5-notify'],
    level: 'SHALL',
    safety: true,
    // In IRA the name is what distinguishes the subscribers of a session.
    versions: ['3.0.0', 'STU2'],
    run: async (s) => {
      const first = await s.subscribe({ events: PATIENT, name: 'Viewer' });
      const second = await s.subscribe({ events: PATIENT, name: 'Viewer' });
      const open = await openPatient(s, second);
      await first.event(open.id);
    },
  },
];
