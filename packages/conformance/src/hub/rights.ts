import type { Check } from '../check.ts';
import { CheckSkip, expect } from '../expecting.ts';
import { patient, patientElements, study, studyElements } from '../samples.ts';
import { endpointOf, type Scenario, succeeded } from '../target/scenario.ts';
import type { TestToken } from '../target/tokens.ts';
import { ALL, CONTEXT_EVENTS, CORE, checksOf, closing, driver, expectRefused, openPatient, PATIENT } from './parts.ts';

const check = checksOf({ versions: ALL, safety: true });

/** A token that looks like a good one, and was never given. */
function altered({ value, expiresAt }: TestToken): TestToken {
  const at = Math.floor(value.length * 0.75);
  const other = value[at] === 'A' ? 'B' : 'A';
  return { value: value.slice(0, at) + other + value.slice(at + 1), expiresAt };
}

const refusedFor = (status: number) => status === 401 || status === 403;

async function openStudy(s: Scenario, at: { event(id: string): Promise<unknown> }) {
  const of = patient();
  const open = await s.accepted(s.event('ImagingStudy-open', studyElements(study(of), of)));
  await at.event(open.id);
  return open;
}

/** What a second client, or one of fewer rights, may do with what belongs to the first. */
export const rights: readonly Check[] = [
  check(
    'altered-token-refused',
    'A token of which one character was changed is no token',
    'SUB-4',
    ['2.4-bearer', '2.4-error'],
    async (s) => {
      if (!s.token) throw new CheckSkip('The run has no access token');
      const bearer = altered(s.token);
      const one = await driver(s, PATIENT);
      const answers = [
        ['a subscription', await s.post(s.fields(PATIENT), { bearer })],
        ['an event', await s.publish(s.event('Patient-open', patientElements(patient())), { bearer })],
      ] as const;
      for (const [what, { status }] of answers)
        expect(refusedFor(status), `HTTP 401 or 403 to ${what}`, `HTTP ${status}`);
      await s.settle();
      expect(one.events.length === 0, 'no event to the subscribers', one.events[0]?.frame.text);
      if (!s.hub.claims.has('get-current')) return;
      const { status } = await s.contextResponse({ bearer });
      expect(refusedFor(status), 'HTTP 401 or 403 to Get Current Context', `HTTP ${status}`);
    },
    { needs: ['tokens'] },
  ),
  check(
    'renewal-grants-no-more',
    'A renewal brings no events that the token does not cover',
    'SUB-6',
    ['2.3-authorized', '2.4-replace'],
    async (s) => {
      const token = await s.limitedToken();
      const all = await driver(s, CONTEXT_EVENTS);
      const limited = await s.subscribe({ events: ['Patient-open'], name: 'Limited', token });
      const fields = {
        ...s.fields(['Patient-open', 'ImagingStudy-open'], 'Limited'),
        'hub.channel.endpoint': limited.endpoint,
      };
      await s.post(fields, { bearer: token, who: 'Limited' });
      await openStudy(s, all);
      const next = await openPatient(s, all);
      await limited.event(next.id);
      await s.settle();
      const other = limited.events.find((event) => event.name !== 'patient-open');
      expect(other === undefined, 'Patient-open only', other?.frame.text);
    },
    { needs: ['limited-token'] },
  ),
  check(
    'newcomer-granted-only',
    'A newcomer is told no open context that its token does not cover',
    'SUB-8',
    ['2.3-authorized', '2.4-late-joiner'],
    async (s) => {
      const token = await s.limitedToken();
      const all = await driver(s, CONTEXT_EVENTS);
      await openStudy(s, all);
      const response = await s.post(s.fields(['Patient-open', 'ImagingStudy-open'], 'Limited'), { bearer: token });
      if (!succeeded(response)) return;
      const limited = await s.connect(endpointOf(response), 'Limited');
      await limited.confirmation();
      await s.settle();
      const other = limited.events.find((event) => event.name !== 'patient-open');
      expect(other === undefined, 'no ImagingStudy-open', other?.frame.text);
    },
    { needs: ['limited-token'] },
  ),
  check(
    'foreign-endpoint-renewed',
    'Nobody takes over the endpoint of another client',
    'SUB-6',
    ['4.3-endpoint'],
    async (s) => {
      const bearer = await s.otherToken();
      const one = await driver(s, PATIENT);
      const fields = { ...s.fields(['Patient-open'], 'Foreign'), 'hub.channel.endpoint': one.endpoint };
      const response = await s.post(fields, { bearer, who: 'Foreign' });
      const own = succeeded(response) ? endpointOf(response) : undefined;
      expect(own !== one.endpoint, 'a refusal, or an endpoint of its own', `HTTP ${response.status} ${response.body}`);
      const open = await openPatient(s, one);
      const close = await s.accepted(s.event('Patient-close', open.event.context));
      await one.event(close.id);
    },
    { needs: ['second-client'], level: 'SHOULD' },
  ),
  check(
    'foreign-endpoint-unsubscribed',
    'Nobody ends the subscription of another client',
    'SUB-9',
    ['4.3-endpoint'],
    async (s) => {
      const bearer = await s.otherToken();
      const one = await driver(s, PATIENT);
      const fields = {
        'hub.channel.type': 'websocket',
        'hub.mode': 'unsubscribe',
        'hub.topic': s.topic,
        'hub.channel.endpoint': one.endpoint,
      };
      const response = await s.post(fields, { bearer, who: 'Foreign' });
      expectRefused(response);
      await openPatient(s, one);
      expect(one.denials.length === 0, 'no denial to the first client', one.denials[0]);
    },
    { needs: ['second-client'], level: 'SHOULD' },
  ),
  check(
    'foreign-topic-renewed',
    'An endpoint is good in its own session only',
    'SUB-6',
    ['2.4-override', '2.3-topic'],
    async (s) => {
      const other = await s.otherTopic();
      const one = await driver(s, PATIENT);
      const there = await s.subscribe({ events: PATIENT, name: 'Elsewhere', fields: { 'hub.topic': other } });
      const fields = { ...s.fields(PATIENT, 'Driver'), 'hub.topic': other, 'hub.channel.endpoint': one.endpoint };
      await s.post(fields, { who: 'Driver' });
      const open = await s.accepted(s.event('Patient-open', patientElements(patient()), { topic: other }));
      await there.event(open.id);
      const here = await openPatient(s, one);
      await s.settle();
      const ids = one.events.map(({ id }) => id);
      expect(!(ids.includes(open.id) && ids.includes(here.id)), 'events of one session at one endpoint', ids);
    },
  ),
  check(
    'unsubscribe-not-revived',
    'A subscription that ended is not brought back by asking for its endpoint',
    'SUB-9',
    ['2.4-destroyed', '2.4-new-endpoint'],
    async (s) => {
      const stays = await driver(s, PATIENT);
      const leaver = await s.subscribe({ events: PATIENT, name: 'Leaver' });
      await s.unsubscribe(leaver);
      await leaver.waitForClose().catch(() => undefined);
      const fields = { ...s.fields(PATIENT, 'Leaver'), 'hub.channel.endpoint': leaver.endpoint };
      const response = await s.post(fields, { who: 'Leaver' });
      if (succeeded(response)) {
        const given = endpointOf(response);
        expect(given !== leaver.endpoint, 'a refusal, or a new endpoint', given);
      }
      const back = await s.connect(leaver.endpoint, 'Returning').catch(() => undefined);
      const open = await openPatient(s, stays);
      await s.settle();
      const told = [...leaver.events, ...(back?.events ?? [])].some(({ id }) => id === open.id);
      expect(!told, 'no event at an endpoint that is over', 'the event was delivered');
    },
  ),
  check(
    'granted-to-each',
    'Each subscriber of a session is told what its own token covers',
    'PUB-3',
    ['2.3-authorized', '2.5-notify'],
    async (s) => {
      const token = await s.limitedToken();
      const all = await driver(s, CONTEXT_EVENTS);
      const asked = ['Patient-open', 'Patient-close', 'ImagingStudy-open', 'ImagingStudy-close'];
      const whole = await s.post(s.fields(asked, 'Limited'), { bearer: token });
      // Refusing the whole request is an answer too.
      const limited = succeeded(whole)
        ? await s.connect(endpointOf(whole), 'Limited')
        : await s.subscribe({ events: ['Patient-open'], name: 'Limited', token });
      const second = await s.subscribe({ events: CONTEXT_EVENTS, name: 'Second' });
      const open = await openStudy(s, all);
      await second.event(open.id);
      const next = await openPatient(s, all);
      for (const one of [limited, second]) await one.event(next.id);
      for (const close of [s.event('ImagingStudy-close', open.event.context), closing(s, next)]) {
        await s.accepted(close);
        for (const one of [all, second]) await one.event(close.id);
      }
      await s.settle();
      const other = limited.events.find((event) => event.name !== 'patient-open');
      expect(other === undefined, 'Patient-open only for who may read only that', other?.frame.text);
    },
    { needs: ['limited-token'], versions: CORE },
  ),
];
