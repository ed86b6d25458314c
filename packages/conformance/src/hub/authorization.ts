import type { Check } from '../check.ts';
import { expect } from '../expecting.ts';
import { objects, textOf } from '../json.ts';
import { patient, patientElements, study, studyElements } from '../samples.ts';
import { ALL, CONTEXT_EVENTS, CORE, driver, openPatient, PATIENT } from './parts.ts';

const refusedFor = (status: number) => status === 401 || status === 403;

const NOT_A_TOKEN = { value: 'not-a-token', expiresAt: undefined };

export const authorization: readonly Check[] = [
  {
    id: 'subscribe-needs-token',
    title: 'Without a good token nobody subscribes',
    rule: 'SUB-4',
    requirements: ['2.4-bearer', '2.4-error'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    needs: ['tokens'],
    run: async (s) => {
      for (const bearer of [null, NOT_A_TOKEN]) {
        const response = await s.post(s.fields(PATIENT), { bearer });
        expect(refusedFor(response.status), 'HTTP 401 or 403', `HTTP ${response.status}`);
      }
    },
  },
  {
    id: 'publish-needs-token',
    title: 'Without a good token nobody changes the context',
    rule: 'PUB-2',
    requirements: ['2.2-write'],
    level: 'SHOULD',
    safety: true,
    versions: ALL,
    needs: ['tokens'],
    run: async (s) => {
      const one = await driver(s, PATIENT);
      for (const bearer of [null, NOT_A_TOKEN]) {
        const response = await s.publish(s.event('Patient-open', patientElements(patient())), { bearer });
        expect(refusedFor(response.status), 'HTTP 401 or 403', `HTTP ${response.status}`);
      }
      await s.settle();
      expect(one.events.length === 0, 'no event to the subscribers', one.events[0]?.frame.text);
    },
  },
  {
    id: 'context-needs-token',
    title: 'Without a good token nobody reads the context',
    rule: 'CON-6',
    requirements: ['2.3-authorized'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    needs: ['tokens', 'get-current'],
    run: async (s) => {
      await openPatient(s, await driver(s, PATIENT));
      for (const bearer of [null, NOT_A_TOKEN]) {
        const response = await s.contextResponse({ bearer });
        expect(refusedFor(response.status), 'HTTP 401 or 403', `HTTP ${response.status} ${response.body}`);
      }
    },
  },
  {
    id: 'granted-events-only',
    title: 'Events that the token does not cover are not delivered',
    rule: 'SUB-4',
    requirements: ['2.3-authorized', 'STU2-authorized'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    needs: ['limited-token'],
    run: async (s) => {
      const token = await s.limitedToken();
      const all = await driver(s, CONTEXT_EVENTS);
      const response = await s.post(s.fields(['Patient-open', 'ImagingStudy-open'], 'Limited'), { bearer: token });
      // Refusing the whole request is an answer too.
      if (response.status >= 400) return;
      const limited = await s.subscribe({ events: ['Patient-open', 'ImagingStudy-open'], name: 'Limited', token });
      const of = patient();
      const open = await s.accepted(s.event('ImagingStudy-open', studyElements(study(of), of)));
      await all.event(open.id);
      const next = await openPatient(s, all);
      await limited.event(next.id);
      await s.settle();
      const other = limited.events.find((event) => event.name !== 'patient-open');
      expect(other === undefined, 'Patient-open only', other?.frame.text);
    },
  },
  {
    id: 'granted-events-confirmed',
    title: 'The confirmation names granted events only',
    rule: 'SUB-4',
    requirements: ['2.4-confirm-events', '2.3-authorized'],
    level: 'SHALL',
    versions: ALL,
    needs: ['limited-token'],
    run: async (s) => {
      const token = await s.limitedToken();
      const response = await s.post(s.fields(['Patient-open', 'ImagingStudy-open'], 'Limited'), { bearer: token });
      if (response.status >= 400) return;
      const limited = await s.subscribe({ events: ['Patient-open', 'ImagingStudy-open'], name: 'Limited', token });
      const granted = textOf((await limited.confirmation())['hub.events']).toLowerCase();
      const right = granted.includes('patient-open') && !granted.includes('imagingstudy-open');
      expect(right, 'hub.events: Patient-open, without ImagingStudy-open', granted);
    },
  },
  {
    id: 'write-scope-needed',
    title: 'A token that may only read changes nothing',
    rule: 'PUB-2',
    requirements: ['2.2-write'],
    level: 'SHOULD',
    safety: true,
    versions: ALL,
    needs: ['limited-token'],
    run: async (s) => {
      const token = await s.limitedToken();
      const one = await driver(s, PATIENT);
      const response = await s.publish(s.event('Patient-open', patientElements(patient())), { bearer: token });
      expect(response.status >= 400 && response.status < 500, 'HTTP 4xx', `HTTP ${response.status}`);
      await s.settle();
      expect(one.events.length === 0, 'no event to the subscribers', one.events[0]?.frame.text);
    },
  },
  {
    id: 'context-authorized-only',
    title: 'The current context holds only what the token may read',
    rule: 'CON-6',
    requirements: ['2.3-authorized'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    needs: ['limited-token', 'get-current'],
    run: async (s) => {
      const token = await s.limitedToken();
      const all = await driver(s, CONTEXT_EVENTS);
      const of = patient();
      const open = await s.accepted(s.event('ImagingStudy-open', studyElements(study(of), of)));
      await all.event(open.id);
      const response = await s.contextResponse({ bearer: token });
      if (response.status >= 400) return;
      const body = response.json as { context?: unknown } | undefined;
      const held = objects(body?.context).some((one) => one.key === 'study');
      expect(!held, 'no ImagingStudy for a token without a scope for it', response.body);
    },
  },
];
