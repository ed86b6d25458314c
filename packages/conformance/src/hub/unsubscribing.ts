import type { Check } from '../check.ts';
import { CheckSkip, expect, stepping } from '../expecting.ts';
import { isObject, sameJson, textOf } from '../json.ts';
import { type Scenario, succeeded } from '../target/scenario.ts';
import type { PlayedSubscriber, ReceivedFrame } from '../target/subscriber.ts';
import { ALL, CORE, driver, expectRefused, madeUp, openPatient, PATIENT } from './parts.ts';

/** One that leaves and one that stays. */
async function leaving(s: Scenario): Promise<{ leaver: PlayedSubscriber; stays: PlayedSubscriber }> {
  const stays = await driver(s, PATIENT);
  const leaver = await s.subscribe({ events: PATIENT, name: 'Leaver' });
  return { leaver, stays };
}

async function denied(s: Scenario): Promise<Record<string, unknown>> {
  const { leaver } = await leaving(s);
  await s.unsubscribe(leaver);
  return stepping('deny', () => leaver.message('a denial', (message) => message['hub.mode'] === 'denied'));
}

const namesIn = (list: unknown): readonly string[] =>
  textOf(list)
    .split(',')
    .map((name) => name.trim().toLowerCase());

/** What distinguishes a denial, or what was meant for one, from whatever else a Hub may send. */
const MARKS = ['hub.mode', 'hub.reason'];

export const unsubscribing: readonly Check[] = [
  {
    id: 'unsubscribe-accepted',
    title: 'An unsubscribe request is answered 202',
    rule: 'SUB-9',
    requirements: ['2.4-unsubscribe-202', 'RAD-152-202'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const { leaver } = await leaving(s);
      const response = await s.unsubscribe(leaver);
      expect(response.status === 202, 'HTTP 202', `HTTP ${response.status} ${response.body}`);
    },
  },
  {
    id: 'unsubscribe-endpoint',
    title: 'The answer names the endpoint',
    rule: 'SUB-9',
    requirements: ['2.4-unsubscribe-endpoint', 'RAD-152-body'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const { leaver } = await leaving(s);
      const response = await s.unsubscribe(leaver);
      const endpoint = isObject(response.json) ? response.json['hub.channel.endpoint'] : undefined;
      expect(endpoint === leaver.endpoint, `hub.channel.endpoint: "${leaver.endpoint}"`, response.body);
    },
  },
  {
    id: 'unsubscribe-denial',
    title: 'Unsubscribing sends a denial on the socket',
    rule: 'SUB-9',
    requirements: ['2.4-unsubscribe-denial', '2.4-denial'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => void (await denied(s)),
  },
  {
    id: 'denial-mode',
    title: 'A denial’s hub.mode is "denied"',
    rule: 'SUB-10',
    requirements: ['2.4-denial-mode'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const { leaver } = await leaving(s);
      const before = leaver.frames.length;
      await s.unsubscribe(leaver);
      const sent = ({ message }: ReceivedFrame) => message !== undefined && MARKS.some((key) => key in message);
      const told = () => leaver.frame('a denial', (frame) => leaver.frames.indexOf(frame) >= before && sent(frame));
      const frame = await stepping('deny', told);
      expect(frame.message?.['hub.mode'] === 'denied', 'hub.mode: "denied"', frame.text);
    },
  },
  {
    id: 'denial-topic',
    title: 'A denial names the session',
    rule: 'SUB-10',
    requirements: ['2.4-denial-topic'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const message = await denied(s);
      expect(message['hub.topic'] === s.topic, `hub.topic: "${s.topic}"`, message);
    },
  },
  {
    id: 'denial-events',
    title: 'A denial names the events',
    rule: 'SUB-10',
    requirements: ['2.4-denial-events'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const { leaver } = await leaving(s);
      const confirmed = namesIn((await leaver.confirmation())['hub.events']);
      await s.unsubscribe(leaver);
      const denial = await stepping('deny', () => leaver.message('a denial', (one) => one['hub.mode'] === 'denied'));
      expect(typeof denial['hub.events'] === 'string', 'hub.events: a string', denial);
      const named = namesIn(denial['hub.events']);
      const same = sameJson([...new Set(named)].sort(), [...new Set(confirmed)].sort());
      expect(same, `hub.events: the events of the subscription, ${confirmed.join(', ')}`, denial);
    },
  },
  {
    id: 'unsubscribe-closes-socket',
    title: 'Unsubscribing closes the socket',
    rule: 'SUB-9',
    requirements: ['2.4-unsubscribe-close', '2.4-destroyed', 'RAD-152-terminate'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const { leaver } = await leaving(s);
      await s.unsubscribe(leaver);
      await leaver.waitForClose();
    },
  },
  {
    id: 'unsubscribe-ends-delivery',
    title: 'After unsubscribing no more events come',
    rule: 'SUB-9',
    requirements: ['2.4-destroyed', '2.4-not-subscribed'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const { leaver, stays } = await leaving(s);
      await s.unsubscribe(leaver);
      const open = await openPatient(s, stays);
      await s.settle();
      expect(!leaver.events.some((event) => event.id === open.id), 'no event', 'the event was delivered');
    },
  },
  {
    id: 'unsubscribe-kills-endpoint',
    title: 'The endpoint cannot be used again',
    rule: 'SUB-9',
    requirements: ['2.4-destroyed', 'RAD-152-terminate'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const { leaver } = await leaving(s);
      await s.unsubscribe(leaver);
      await leaver.waitForClose().catch(() => undefined);
      const fate = await s.fateOf(leaver.endpoint);
      expect(fate !== 'served', 'the endpoint to be over', 'the Hub confirmed a connection to it');
    },
  },
  {
    id: 'subscribe-again-new-endpoint',
    title: 'A subscription after unsubscribing has a new endpoint',
    rule: 'SUB-9',
    requirements: ['2.4-new-endpoint', 'RAD-152-terminate'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const { leaver } = await leaving(s);
      await s.unsubscribe(leaver);
      const endpoint = await s.ask({ events: PATIENT, name: 'Leaver' });
      expect(endpoint !== leaver.endpoint, 'a new endpoint', endpoint);
    },
  },
  {
    id: 'unsubscribe-leaves-others',
    title: 'Unsubscribing one application leaves the others',
    rule: 'SUB-9',
    requirements: ['2.4-override', '2.5-notify'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const { leaver, stays } = await leaving(s);
      // Who came before it, who came after it, and who has its name; where that is what tells them apart, another one.
      const name = s.hub.versions.has('IRA') ? 'Namesake' : 'Leaver';
      const others = [stays, await s.subscribe({ events: PATIENT, name: 'Later' })];
      others.push(await s.subscribe({ events: PATIENT, name }));
      await s.unsubscribe(leaver);
      await leaver.waitForClose().catch(() => undefined);
      const open = await openPatient(s, stays);
      for (const one of others) {
        await one.event(open.id);
        expect(one.denials.length === 0 && !one.closed, `nothing of it to ${one.name}`, one.denials[0] ?? one.closed);
      }
    },
  },
  {
    id: 'unsubscribe-each',
    title: 'Of several applications each can unsubscribe, one after the other',
    rule: 'SUB-9',
    requirements: ['2.4-unsubscribe-denial', '2.4-destroyed', 'RAD-152-terminate'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const stays = await driver(s, PATIENT);
      const leavers: PlayedSubscriber[] = [];
      for (const name of ['One', 'Two', 'Three']) leavers.push(await s.subscribe({ events: PATIENT, name }));
      for (const [at, one] of leavers.entries()) {
        const response = await s.unsubscribe(one);
        expect(response.status === 202, 'HTTP 202', `HTTP ${response.status} ${response.body}`);
        await stepping('deny', () => one.message('a denial', (message) => message['hub.mode'] === 'denied'));
        await one.waitForClose();
        const open = await openPatient(s, stays);
        for (const other of leavers.slice(at + 1)) await other.event(open.id);
      }
    },
  },
  {
    id: 'unsubscribe-other-topic',
    title: 'A request that names another session does not end the subscription',
    rule: 'SUB-9',
    requirements: ['2.4-override', '2.4-unsubscribe-error', 'RAD-152-mismatch'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const other = await s.otherTopic();
      const one = await driver(s, PATIENT);
      await s.subscribe({ events: PATIENT, name: 'Elsewhere', fields: { 'hub.topic': other } });
      await s.unsubscribe(one, { 'hub.topic': other });
      await openPatient(s, one);
      expect(one.denials.length === 0, 'no denial', one.denials[0]);
    },
  },
  {
    id: 'unsubscribe-needs-token',
    title: 'Without a good token nobody unsubscribes',
    rule: 'SUB-9',
    requirements: ['2.4-bearer', '2.4-unsubscribe-error'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    needs: ['tokens'],
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const fields = {
        'hub.channel.type': 'websocket',
        'hub.mode': 'unsubscribe',
        'hub.topic': s.topic,
        'hub.channel.endpoint': one.endpoint,
      };
      for (const bearer of [null, { value: 'not-a-token', expiresAt: undefined }]) {
        const { status } = await s.post(fields, { bearer, who: 'Nobody' });
        expect(status === 401 || status === 403, 'HTTP 401 or 403', `HTTP ${status}`);
      }
      await openPatient(s, one);
    },
  },
  {
    id: 'unsubscribe-unknown-endpoint',
    title: 'Unsubscribing an endpoint that is none is refused, with a reason',
    rule: 'SUB-9',
    requirements: ['2.4-unsubscribe-error', 'RAD-152-mismatch'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const { leaver } = await leaving(s);
      const response = await s.unsubscribe(leaver, { 'hub.channel.endpoint': madeUp(leaver.endpoint) });
      expectRefused(response);
      expect(response.body.trim() !== '', 'a description of the error in the body', 'an empty body');
    },
  },
  {
    id: 'unsubscribe-refusal-plain-text',
    title: 'A refused unsubscribe request says why, as plain text',
    rule: 'SUB-9',
    requirements: ['2.4-unsubscribe-error'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const { leaver } = await leaving(s);
      const response = await s.unsubscribe(leaver, { 'hub.channel.endpoint': madeUp(leaver.endpoint) });
      if (succeeded(response)) throw new CheckSkip('The Hub refuses nothing of this: see unsubscribe-unknown-endpoint');
      expectRefused(response);
      const type = response.headers['content-type'] ?? '';
      expect(
        /^text\/plain\b/i.test(type) && response.body.trim() !== '',
        'a reason as text/plain',
        `${type} ${response.body}`,
      );
    },
  },
];
