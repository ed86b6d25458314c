/** The unmodified npm client @medplum/core, in two versions, against Lockstep as a child process. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MedplumClient as MedplumClient4 } from 'medplum-core-4';
import { MedplumClient as MedplumClient5 } from 'medplum-core-5';
import { Backend, HubClient, type Json } from './harness.ts';
import { LockstepProcess } from './process.ts';

/** What both versions offer; their types differ in what they call the events. */
interface Medplum {
  setAccessToken(token: string): void;
  fhircastSubscribe(topic: string, events: readonly string[]): Promise<{ readonly endpoint: string }>;
  fhircastUnsubscribe(subscription: { readonly endpoint: string }): Promise<void>;
  fhircastConnect(subscription: { readonly endpoint: string }): Connection;
  fhircastPublish(topic: string, event: string, context: unknown, versionId?: string): Promise<unknown>;
  fhircastGetContext(topic: string): Promise<Json>;
}

interface Connection {
  addEventListener(type: 'connect' | 'message' | 'disconnect', listener: (event: { payload: Json }) => void): void;
  disconnect(): void;
}

type Options = { baseUrl: string; fhircastHubUrl: string; fetch: typeof fetch };

interface Version {
  readonly version: string;
  readonly create: (options: Options) => Medplum;
  /** Whether a connection comes back by itself; in 4.5.2 it is a plain WebSocket, which its application opens again. */
  readonly reconnects: boolean;
}

const VERSIONS: readonly Version[] = [
  { version: '4.5.2', create: (options) => new MedplumClient4(options) as unknown as Medplum, reconnects: false },
  { version: '5.2.13', create: (options) => new MedplumClient5(options) as unknown as Medplum, reconnects: true },
];

const EVENTS = [
  'Patient-open',
  'Patient-close',
  'DiagnosticReport-open',
  'DiagnosticReport-update',
  'DiagnosticReport-close',
  'syncerror',
];

const patient = {
  key: 'patient',
  resource: { resourceType: 'Patient', id: 'p1', identifier: [{ system: 'urn:mrn', value: '1' }] },
};
const report = {
  key: 'report',
  resource: { resourceType: 'DiagnosticReport', id: 'r1', status: 'unknown', subject: { reference: 'Patient/p1' } },
};
const study = {
  key: 'study',
  resource: { resourceType: 'ImagingStudy', id: 's1', status: 'available', subject: { reference: 'Patient/p1' } },
};

type Happening = { readonly what: 'connect' | 'disconnect' } | { readonly what: 'message'; readonly message: Json };

/** What happens on a connection, to be waited for in order. */
class Happenings {
  readonly all: Happening[] = [];
  #taken = 0;
  #wake: (() => void) | undefined;

  constructor(connection: Connection) {
    this.follow(connection);
  }

  follow(connection: Connection): void {
    for (const what of ['connect', 'disconnect'] as const) connection.addEventListener(what, () => this.#add({ what }));
    connection.addEventListener('message', ({ payload }) => this.#add({ what: 'message', message: payload }));
  }

  #add(happening: Happening): void {
    this.all.push(happening);
    this.#wake?.();
  }

  async next(): Promise<Happening> {
    while (this.#taken === this.all.length) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#taken += 1;
    return this.all[this.#taken - 1]!;
  }

  async expect(what: 'connect' | 'disconnect'): Promise<void> {
    assert.equal((await this.next()).what, what);
  }

  /** The next message, which has to be of this event. */
  async message(event: string): Promise<Json> {
    const happening = await this.next();
    assert.ok(happening.what === 'message', happening.what);
    assert.equal(happening.message.event['hub.event'], event);
    return happening.message;
  }
}

describe('@medplum/core', () => {
  for (const { version, create, reconnects } of VERSIONS) {
    it(`${version} subscribes, publishes, follows, reads the context, survives the Hub's death and unsubscribes`, async (t) => {
      const lockstep = await LockstepProcess.start(t);
      const { origin } = lockstep;
      const token = await (await Backend.register(origin)).token();
      const topic = await new HubClient(`${origin}/hub`, token).session();
      const medplum = create({ baseUrl: `${origin}/`, fhircastHubUrl: `${origin}/hub`, fetch });
      medplum.setAccessToken(token);

      const subscription = await medplum.fhircastSubscribe(topic, EVENTS);
      assert.match(subscription.endpoint, /^ws:/);
      const connection = medplum.fhircastConnect(subscription);
      t.after(() => connection.disconnect());
      const happenings = new Happenings(connection);
      await happenings.expect('connect');

      await medplum.fhircastPublish(topic, 'Patient-open', [patient]);
      const opened = await happenings.message('Patient-open');
      assert.deepEqual(opened.event.context, [patient]);
      assert.equal((await medplum.fhircastGetContext(topic))['context.type'], 'Patient');

      await medplum.fhircastPublish(topic, 'DiagnosticReport-open', [report, study, patient]);
      const { event } = await happenings.message('DiagnosticReport-open');
      assert.ok(event['context.versionId']);

      const finding = { resourceType: 'Observation', id: 'o1', status: 'preliminary', code: { text: 'cyst' } };
      const bundle = {
        resourceType: 'Bundle',
        id: 'b1',
        type: 'transaction',
        entry: [{ request: { method: 'PUT', url: 'Observation/o1' }, resource: finding }],
      };
      const update = [
        { key: 'report', reference: { reference: 'DiagnosticReport/r1' } },
        { key: 'patient', reference: { reference: 'Patient/p1' } },
        { key: 'updates', resource: bundle },
      ];
      await medplum.fhircastPublish(topic, 'DiagnosticReport-update', update, event['context.versionId']);
      const updated = await happenings.message('DiagnosticReport-update');
      assert.equal(updated.event['context.priorVersionId'], event['context.versionId']);
      await assert.rejects(
        medplum.fhircastPublish(topic, 'DiagnosticReport-update', update, event['context.versionId']),
        /version/,
      );

      const context = await medplum.fhircastGetContext(topic);
      assert.equal(context['context.type'], 'DiagnosticReport');
      assert.equal(context['context.versionId'], updated.event['context.versionId']);
      const content = context.context.find(({ key }: Json) => key === 'content');
      assert.deepEqual(content.resource.entry, [{ resource: finding }]);

      await lockstep.kill('SIGKILL');
      await happenings.expect('disconnect');
      await lockstep.start();
      if (!reconnects) happenings.follow(medplum.fhircastConnect(subscription));
      // It may have tried before the Hub was back.
      while ((await happenings.next()).what !== 'connect');
      assert.equal((await happenings.message('Patient-open')).id, opened.id);
      const current = await happenings.message('DiagnosticReport-open');
      assert.equal(current.event['context.versionId'], updated.event['context.versionId']);

      await medplum.fhircastPublish(topic, 'DiagnosticReport-close', [report, study, patient]);
      await happenings.message('DiagnosticReport-close');
      assert.equal((await medplum.fhircastGetContext(topic))['context.type'], '');

      await medplum.fhircastUnsubscribe(subscription);
      await happenings.expect('disconnect');
      assert.ok(!JSON.stringify(happenings.all).includes('SyncError'));
    });
  }
});
