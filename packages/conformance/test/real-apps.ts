/** Applications of the field for the suite's own tests: made with this project's client library, and with `@medplum/core`. */
import { randomUUID } from 'node:crypto';
import { refuse, Subscriber } from '@lockstep/client';
import { MedplumClient } from 'medplum-core-5';
import type { Invitation, RunningApp } from '../src/index.ts';

/** An application and somebody at it. */
export interface AttendedApp extends RunningApp {
  /** Does what an instruction of the suite says, or answers its question. */
  do(instruction: string): Promise<boolean>;
}

const EVENTS = [
  'Patient-open',
  'Patient-close',
  'DiagnosticReport-open',
  'DiagnosticReport-close',
  'DiagnosticReport-update',
  'SyncError',
] as const;

const patient = () => ({ resourceType: 'Patient', id: randomUUID(), identifier: [{ system: 'urn:mrn', value: '1' }] });
const finding = () => ({ resourceType: 'Observation', id: randomUUID(), status: 'preliminary' as const });

/** An application that follows with `Subscriber`. */
export async function startSdkApp({ hubUrl, topic, token }: Invitation): Promise<AttendedApp> {
  let draft = false;
  const subscriber = new Subscriber({ hubUrl, topic, token, name: 'Library application', events: EVENTS });
  subscriber.follow(() => {
    if (!draft) return undefined;
    // Its user gives the draft up when asked about it.
    draft = false;
    return refuse('a draft is open');
  });
  await subscriber.connect();
  return {
    quit: () => subscriber.unsubscribe(),
    shown: async () => subscriber.context?.resources.patient?.id ?? '',
    do: async (instruction) => {
      if (/^Begin something/.test(instruction)) draft = true;
      // A refused request is what some checks are about.
      if (/^Change the patient/.test(instruction)) {
        for (const one of [patient(), patient()]) await subscriber.openPatient(one).catch(() => undefined);
      }
      if (/^Share something/.test(instruction)) {
        await subscriber.update([{ put: finding() }]).catch(() => undefined);
      }
      return true;
    },
  };
}

/** An application that follows with `@medplum/core`: it shows the patient of the newest open. */
export async function startMedplumApp({ hubUrl, topic, token }: Invitation): Promise<AttendedApp> {
  const medplum = new MedplumClient({ baseUrl: `${new URL(hubUrl).origin}/`, fhircastHubUrl: hubUrl, fetch });
  medplum.setAccessToken(token);
  let shown = '';
  let newest = 0;
  let report: { id: string; version: string } | undefined;
  const subscribe = async () => {
    const subscription = await medplum.fhircastSubscribe(topic, [...EVENTS.slice(0, -1), 'syncerror'] as never);
    const connection = medplum.fhircastConnect(subscription);
    connection.addEventListener('message', ({ payload: { timestamp, event } }) => {
      const [, action] = String(event['hub.event']).toLowerCase().split('-');
      const resources = new Map(event.context.map((one) => [one.key, 'resource' in one ? one.resource : undefined]));
      const version = (event as { 'context.versionId'?: string })['context.versionId'];
      if (action === 'update' && report && version) report.version = version;
      if (action === 'close' && resources.get('patient')?.id === shown) shown = '';
      if (action !== 'open' || Date.parse(timestamp) < newest) return;
      newest = Date.parse(timestamp);
      shown = resources.get('patient')?.id ?? '';
      const opened = resources.get('report');
      report = opened?.id && version ? { id: opened.id, version } : undefined;
    });
    await new Promise<void>((resolve) => connection.addEventListener('connect', () => resolve()));
    return { subscription, connection };
  };
  const { subscription, connection } = await subscribe();
  const publish = (event: string, context: unknown, versionId?: string) =>
    (medplum.fhircastPublish as (...args: unknown[]) => Promise<unknown>)
      .call(medplum, topic, event, context, versionId)
      .catch(() => undefined);
  return {
    shown: async () => shown,
    quit: async () => {
      await medplum.fhircastUnsubscribe(subscription).catch(() => undefined);
      connection.disconnect();
    },
    do: async (instruction) => {
      if (/^Change the patient/.test(instruction)) {
        for (const resource of [patient(), patient()]) await publish('Patient-open', [{ key: 'patient', resource }]);
      }
      if (/^Share something/.test(instruction) && report) {
        const resource = finding();
        const entry = [{ request: { method: 'PUT', url: `Observation/${resource.id}` }, resource }];
        const context = [
          { key: 'report', reference: { reference: `DiagnosticReport/${report.id}` } },
          { key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction', entry } },
        ];
        await publish('DiagnosticReport-update', context, report.version);
      }
      // It has no drafts.
      return !/^Begin something/.test(instruction);
    },
  };
}
