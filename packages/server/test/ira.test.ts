/** IHE Radiology, Integrated Reporting Applications: its reporting flow, transaction by transaction, on real sockets. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { HubClient, type Json, json, put, Subscriber, updates, withLockstep } from './harness.ts';

/** What every IRA subscriber subscribes to (RAD-146). */
const REQUIRED =
  'diagnosticreport-open,diagnosticreport-close,diagnosticreport-update,diagnosticreport-select,syncerror';
const READ = 'fhircast/*.read';
const WRITE = 'fhircast/*.read fhircast/*.write';

const coded = (system: string, code: string, value: string, namespace = 'urn:acme'): Json => ({
  type: { coding: [{ system, code }] },
  system: namespace,
  value,
});
const HL7V2 = 'http://terminology.hl7.org/CodeSystem/v2-0203';
const DCM = 'http://dicom.nema.org/resources/ontology/DCM';

/** The contexts of a report as IRA profiles them. */
function reportContext(n: number): Json[] {
  const subject = { reference: `Patient/p${n}` };
  return [
    {
      key: 'report',
      resource: {
        resourceType: 'DiagnosticReport',
        id: `r${n}`,
        status: 'unknown',
        subject,
        study: [{ reference: `ImagingStudy/s${n}` }],
      },
    },
    {
      key: 'patient',
      resource: { resourceType: 'Patient', id: `p${n}`, identifier: [coded(HL7V2, 'MR', `mrn-${n}`)] },
    },
    {
      key: 'study',
      resource: {
        resourceType: 'ImagingStudy',
        id: `s${n}`,
        status: 'available',
        subject,
        identifier: [coded(DCM, '110180', `urn:oid:1.2.3.${n}`, 'urn:dicom:uid'), coded(HL7V2, 'ACSN', `acc-${n}`)],
      },
    },
  ];
}

/** An R5 resource, as Content Creators share image references. */
const imagingSelection: Json = {
  resourceType: 'ImagingSelection',
  id: 'is1',
  status: 'available',
  subject: { reference: 'Patient/p1' },
  derivedFrom: [{ reference: 'ImagingStudy/s1' }],
  code: { coding: [{ system: DCM, code: '128195' }] },
  studyUid: '1.2.3.1',
  seriesUid: '1.2.3.1.1',
  instance: [{ uid: '1.2.3.1.1.1', imageRegion2D: [{ regionType: 'polyline', coordinate: [0.25, 0.25, 0.75, 0.25] }] }],
};
const measurement = (value: number): Json => ({
  resourceType: 'Observation',
  id: 'o1',
  status: 'preliminary',
  subject: { reference: 'Patient/p1' },
  derivedFrom: [{ reference: 'ImagingSelection/is1' }],
  valueQuantity: { value, unit: 'cm' },
});

const reportReference = (n: number): Json => ({ key: 'report', reference: { reference: `DiagnosticReport/r${n}` } });
const select = (...references: string[]): Json[] =>
  references.map((reference) => ({ key: 'select', reference: { reference } }));

/** An actor of the profile: a registered client with a name and, once subscribed, a socket. */
class Actor {
  readonly name: string;
  readonly client: HubClient;
  readonly topic: string;
  socket!: Subscriber;

  private constructor(name: string, client: HubClient, topic: string) {
    this.name = name;
    this.client = client;
    this.topic = topic;
  }

  static async start(origin: string, topic: string, name: string, scope = WRITE): Promise<Actor> {
    const actor = new Actor(name, await HubClient.backend(origin, scope, { client_name: name, scope }), topic);
    await actor.join();
    return actor;
  }

  form(more: Record<string, string> = {}): Record<string, string> {
    return {
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': this.topic,
      'hub.events': REQUIRED,
      'subscriber.name': this.name,
      ...more,
    };
  }

  /** RAD-146, then RAD-147. */
  async join(): Promise<void> {
    const response = await this.client.form(this.form());
    assert.equal(response.status, 202);
    this.socket = await Subscriber.connect((await json(response))['hub.channel.endpoint']);
    assert.equal((await this.socket.next())['hub.mode'], 'subscribe');
  }

  publish(event: string, context: Json[], more: Json = {}): Promise<Response> {
    return this.client.publish(this.topic, event, context, more);
  }

  /** Publishes what has to be accepted. @returns the event's id */
  async does(event: string, context: Json[], more: Json = {}): Promise<string> {
    const id = crypto.randomUUID();
    const response = await this.publish(event, context, { id, ...more });
    assert.equal(response.status, 202, await response.text());
    return id;
  }

  async refused(status: number, event: string, context: Json[], more: Json = {}): Promise<void> {
    const response = await this.publish(event, context, more);
    assert.equal(response.status, status, `${event}: ${await response.text()}`);
  }

  async current(): Promise<Json> {
    return this.client.context(this.topic);
  }
}

/** The next event of each actor; it has to be this one. */
async function see(actors: readonly Actor[], event: string, id?: string): Promise<Json> {
  let seen: Json = {};
  for (const { name, socket } of actors) {
    seen = await socket.event();
    assert.equal(seen.event['hub.event'], event, name);
    if (id !== undefined) assert.equal(seen.id, id, name);
  }
  return seen;
}

async function withIra(run: (origin: string, audit: () => Promise<readonly Json[]>) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-ira-'));
  const path = join(folder, 'audit.jsonl');
  try {
    await withLockstep(
      ({ origin, audit }) =>
        run(origin, async () => {
          await audit?.written();
          return readFileSync(path, 'utf8')
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line));
        }),
      { profile: 'ira', createSessions: true, audit: path },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('IHE RAD IRA, use cases 1 to 4', () => {
  it('is followed transaction by transaction', () =>
    withIra(async (origin, audit) => {
      // Step 1: the Worklist Client makes up a session and subscribes: the Hub creates it (RAD-146, RAD-147).
      const topic = `reporting-session-${crypto.randomUUID()}`;
      const worklist = await Actor.start(origin, topic, 'Worklist Client');
      // It launches the others, which join (RAD-146, RAD-147) and ask for the current context (RAD-153): empty.
      const display = await Actor.start(origin, topic, 'Image Display');
      const creator = await Actor.start(origin, topic, 'Report Creator');
      const watcher = await Actor.start(origin, topic, 'Watcher', READ);
      const all = [worklist, display, creator, watcher];
      assert.deepEqual(await creator.current(), { 'context.type': '', context: [] });

      // Step 2: the radiologist picks a study; the report context is opened and distributed (RAD-148, RAD-154).
      await worklist.does('DiagnosticReport-open', reportContext(1));
      const opened = await see(all, 'DiagnosticReport-open');
      assert.ok(opened.event['context.versionId']);
      assert.deepEqual(
        opened.event.context.map(({ key }: Json) => key),
        ['report', 'patient', 'study'],
      );

      // The Image Display launches an Evidence Creator, which is told what is open (SUB-8), and reads it (RAD-153).
      const evidence = await Actor.start(origin, topic, 'Evidence Creator');
      assert.equal((await see([evidence], 'DiagnosticReport-open', opened.id)).id, opened.id);
      const before = await evidence.current();
      assert.equal(before['context.versionId'], opened.event['context.versionId']);
      assert.deepEqual(before.context.at(-1).resource.entry, []);
      all.push(evidence);

      // Step 3: the Evidence Creator, a Content Creator too, shares what it found, R5 resources too (RAD-150, RAD-154).
      const first = before['context.versionId'];
      await evidence.does(
        'DiagnosticReport-update',
        [reportReference(1), updates(put(imagingSelection), put(measurement(1)))],
        {
          'context.versionId': first,
        },
      );
      const updated = await see(all, 'DiagnosticReport-update');
      const second = updated.event['context.versionId'];
      assert.equal(updated.event['context.priorVersionId'], first);
      assert.notEqual(second, first);

      // Somebody works on the version before: nothing of it is applied (RAD-150).
      await display.refused(400, 'DiagnosticReport-update', [reportReference(1), updates(put(measurement(2)))], {
        'context.versionId': first,
      });
      const { context } = await display.current();
      assert.deepEqual(
        context.at(-1).resource.entry.map(({ resource }: Json) => resource),
        [imagingSelection, measurement(1)],
      );

      // Step 4: the user picks a finding; what nobody knows is left out (RAD-151, RAD-154).
      await display.does('DiagnosticReport-select', [reportReference(1), ...select('Observation/o1')]);
      await see(all, 'DiagnosticReport-select');
      const partly = await display.publish('DiagnosticReport-select', [
        reportReference(1),
        ...select('Observation/o1', 'Observation/unheard-of', 'ImagingStudy/s1'),
      ]);
      assert.equal(partly.status, 206);
      const selected = await see(all, 'DiagnosticReport-select');
      assert.deepEqual(
        selected.event.context
          .filter(({ key }: Json) => key === 'select')
          .map(({ reference }: Json) => reference.reference),
        ['Observation/o1', 'ImagingStudy/s1'],
      );

      const none = await display.publish('DiagnosticReport-select', [
        reportReference(1),
        ...select('Observation/gone'),
      ]);
      assert.equal(none.status, 206);
      const empty = (await see(all, 'DiagnosticReport-select')).event.context;
      assert.deepEqual(empty, [reportReference(1), { key: 'select', reference: [] }], 'nothing is selected any more');

      // Use case 3: an urgent study interrupts; the first report stays open, with its content.
      await display.does('DiagnosticReport-open', reportContext(2));
      await see(all, 'DiagnosticReport-open');
      assert.equal((await watcher.current()).context[0].resource.id, 'r2');
      // Content of the suspended report may still be shared.
      await evidence.does('DiagnosticReport-update', [reportReference(1), updates(put(measurement(3)))], {
        'context.versionId': second,
      });
      const third = (await see(all, 'DiagnosticReport-update')).event['context.versionId'];
      await creator.does('DiagnosticReport-close', reportContext(2));
      await see(all, 'DiagnosticReport-close');
      assert.deepEqual(await watcher.current(), { 'context.type': '', context: [] }, 'empty, not the one before');
      // It is opened again, in place: same contexts, a new id, its content as it was (RAD-148).
      await display.does('DiagnosticReport-open', reportContext(1));
      const reopened = await see(all, 'DiagnosticReport-open');
      assert.notEqual(reopened.id, opened.id);
      assert.notEqual(reopened.event['context.versionId'], third);
      const resumed = await creator.current();
      assert.equal(resumed['context.versionId'], reopened.event['context.versionId']);
      assert.deepEqual(
        resumed.context.at(-1).resource.entry.map(({ resource }: Json) => resource),
        [imagingSelection, measurement(3)],
      );

      // Use case 4: the Watcher cannot follow; everybody is told, itself included (RAD-154, RAD-155).
      watcher.socket.answer = () => 409;
      const again = await display.does('DiagnosticReport-open', reportContext(1));
      await see(all, 'DiagnosticReport-open', again);
      for (const { name, socket } of all) {
        const { event } = await socket.event();
        assert.equal(event['hub.event'], 'SyncError', name);
        const [issue] = event.context[0].resource.issue;
        assert.equal(issue.severity, 'information');
        assert.equal(issue.code, 'processing');
        assert.deepEqual(
          issue.details.coding.map(({ code }: Json) => code),
          [again, 'DiagnosticReport-open', 'Watcher'],
        );
      }
      watcher.socket.answer = () => 200;
      assert.equal((await watcher.current()).context[0].resource.id, 'r1', 'the current context stays (RAD-154)');

      // The Report Creator accepted with 202 and failed later: it says so itself (RAD-156).
      const issue = {
        severity: 'warning',
        code: 'processing',
        diagnostics: 'Report Creator could not open the template',
        details: {
          coding: [
            { system: 'https://fhircast.hl7.org/events/syncerror/eventid', code: again },
            { system: 'https://fhircast.hl7.org/events/syncerror/eventname', code: 'DiagnosticReport-open' },
            { system: 'https://fhircast.hl7.org/events/syncerror/subscribername', code: 'Report Creator' },
          ],
        },
      };
      const outcome = { key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue: [issue] } };
      await creator.does('SyncError', [outcome]);
      assert.deepEqual((await see(all, 'SyncError')).event.context, [outcome]);

      // Step 5: the report is signed off with a status update, then closed (RAD-150, RAD-149).
      const final = { ...reportContext(1)[0]?.resource, status: 'final' };
      const { 'context.versionId': version } = await creator.current();
      await creator.does('DiagnosticReport-update', [reportReference(1), updates(put(final))], {
        'context.versionId': version,
      });
      await see(all, 'DiagnosticReport-update');
      await creator.does('DiagnosticReport-close', reportContext(1));
      await see(all, 'DiagnosticReport-close');
      assert.deepEqual(await display.current(), { 'context.type': '', context: [] });
      await display.refused(409, 'DiagnosticReport-update', [reportReference(1), updates(put(measurement(4)))], {
        'context.versionId': version,
      });

      // Step 6: the Report Creator unsubscribes; its endpoint is dead for good, the others go on (RAD-152).
      const endpoint = creator.socket.endpoint;
      const left = await creator.client.form(
        creator.form({ 'hub.mode': 'unsubscribe', 'hub.channel.endpoint': endpoint }),
      );
      assert.deepEqual([left.status, await json(left)], [202, { 'hub.channel.endpoint': endpoint }]);
      assert.equal((await creator.socket.closed).code, 1000);
      await assert.rejects(Subscriber.connect(endpoint));
      await worklist.does('DiagnosticReport-open', reportContext(3));
      await see([worklist, display, watcher, evidence], 'DiagnosticReport-open');

      // The Image Display's connection breaks: it is unsubscribed, and the others are told (1:53.1.1.8).
      display.socket.socket.terminate();
      const lost = await see([worklist, watcher, evidence], 'SyncError');
      const [about] = lost.event.context[0].resource.issue;
      assert.deepEqual(
        about.details.coding.map(({ code }: Json) => code),
        [lost.id, 'SyncError', 'Image Display'],
      );
      await assert.rejects(Subscriber.connect(display.socket.endpoint));

      // RAD-146, RAD-152 and RAD-153 are in the audit, with identifiers only.
      const ihe = ({ subtype }: Json): boolean => subtype[0].code.startsWith('RAD-');
      const records = (await audit()).filter(ihe);
      const codes = new Set(records.map(({ subtype }) => subtype[0].code));
      assert.deepEqual([...codes].sort(), ['RAD-146', 'RAD-152', 'RAD-153']);
      assert.equal(records.filter(({ subtype }) => subtype[0].code === 'RAD-146').length, 5);
      assert.ok(records.every(({ entity }) => entity[0].what.identifier.value === topic));
      assert.doesNotMatch(JSON.stringify(records), /mrn-|\bacc-\d|Patient\//);
      for (const { socket } of [worklist, watcher, evidence]) await socket.close();
    }));
});

describe('IHE RAD IRA, what the Hub refuses', () => {
  it('SUB-12 a subscription that misses what RAD-146 asks for, and an unsubscription that misses what RAD-152 does', () =>
    withIra(async (origin) => {
      const topic = crypto.randomUUID();
      const actor = await Actor.start(origin, topic, 'Image Display');
      const status = async (more: Record<string, string>): Promise<number> =>
        (await actor.client.form(actor.form(more))).status;
      const subscriptions: readonly Record<string, string>[] = [
        { 'hub.channel.type': 'webhook', 'hub.callback': 'https://app.example/' },
        { 'hub.channel.type': '', 'hub.callback': 'https://app.example/', 'hub.secret': 'x' },
        { 'hub.topic': '' },
        { 'hub.topic': 'made/up' },
        { 'hub.events': '' },
        { 'subscriber.name': '' },
        { 'subscriber.name': ' ' },
      ];
      for (const more of subscriptions) assert.equal(await status(more), 400, JSON.stringify(more));
      const leave = { 'hub.mode': 'unsubscribe', 'hub.channel.endpoint': actor.socket.endpoint };
      const unsubscriptions: readonly Record<string, string>[] = [
        { ...leave, 'hub.channel.type': 'webhook', 'hub.callback': 'https://app.example/' },
        { ...leave, 'hub.topic': '' },
        { ...leave, 'hub.channel.endpoint': '' },
        { ...leave, 'hub.channel.endpoint': 'wss://elsewhere.example/hub/ws/xyz' },
      ];
      for (const more of unsubscriptions) assert.equal(await status(more), 400, JSON.stringify(more));
      await actor.does('DiagnosticReport-open', reportContext(1));
      await see([actor], 'DiagnosticReport-open');
      await actor.socket.close();
    }));

  it('RAD-148 to RAD-151 and RAD-156: what misses a context, or is for no known session', () =>
    withIra(async (origin) => {
      const actor = await Actor.start(origin, crypto.randomUUID(), 'Image Display');
      for (const key of ['report', 'patient', 'study']) {
        await actor.refused(
          400,
          'DiagnosticReport-open',
          reportContext(1).filter((one) => one.key !== key),
        );
      }
      await actor.refused(400, 'DiagnosticReport-open', reportContext(1), { 'hub.topic': 'no-such-session' });
      await actor.does('DiagnosticReport-open', reportContext(1));
      const versionId = (await see([actor], 'DiagnosticReport-open')).event['context.versionId'];
      await actor.refused(400, 'DiagnosticReport-close', reportContext(1).slice(1));
      await actor.refused(400, 'DiagnosticReport-select', [reportReference(1)]);
      await actor.refused(400, 'SyncError', []);
      await actor.refused(400, 'SyncError', [
        { key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue: [{ code: 'processing' }] } },
      ]);
      const issue = { severity: 'grave', code: 'processing', diagnostics: 'x', details: { coding: [] } };
      await actor.refused(400, 'SyncError', [
        { key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue: [issue] } },
      ]);
      await actor.refused(409, 'DiagnosticReport-close', reportContext(9));

      // CON-4: what identifies patient and study stays, and neither can be removed.
      const change = (key: string, at: number): Json => {
        const resource = structuredClone(reportContext(1).find((one) => one.key === key)?.resource);
        resource.identifier[at].value = 'changed';
        return resource;
      };
      const remove = (url: string): Json => ({ request: { method: 'DELETE', url } });
      const entries = [
        put(change('patient', 0)),
        put(change('study', 0)),
        put(change('study', 1)),
        remove('Patient/p1'),
        remove('ImagingStudy/s1'),
        remove('DiagnosticReport/r1'),
      ];
      for (const entry of entries) {
        await actor.refused(400, 'DiagnosticReport-update', [reportReference(1), updates(put(measurement(1)), entry)], {
          'context.versionId': versionId,
        });
      }
      assert.deepEqual((await actor.current()).context.at(-1).resource.entry, [], 'all or nothing');
      const named = structuredClone(reportContext(1)[1]?.resource);
      named.name = [{ family: 'Smith' }];
      await actor.does('DiagnosticReport-update', [reportReference(1), updates(put(named))], {
        'context.versionId': versionId,
      });
      await actor.socket.close();
    }));

  it("RAD-150, RAD-151 in the words of the profile's own examples", () =>
    withIra(async (origin) => {
      const topic = crypto.randomUUID();
      const display = await Actor.start(origin, topic, 'Image Display');
      const client = await HubClient.backend(origin, WRITE, { client_name: 'Evidence Creator', scope: WRITE });
      await display.does('DiagnosticReport-open', reportContext(1));
      const version = (await see([display], 'DiagnosticReport-open')).event['context.versionId'];
      const report = { key: 'report', resource: { resourceType: 'DiagnosticReport', id: 'r1' } };
      const post = (resource: Json): Json => ({ request: { method: 'POST' }, resource });
      const found = [report, updates(post(imagingSelection), post(measurement(1)))];
      const update = { 'context.versionId': version };
      assert.equal((await client.publish(topic, 'DiagnosticReport-update', found, update)).status, 202);
      await see([display], 'DiagnosticReport-update');
      const identify = ({ resourceType, id }: Json): Json => ({ resourceType, id });
      const chosen = {
        key: 'select',
        resource: [measurement(1), imagingSelection, { ...measurement(1), id: 'o9' }].map(identify),
      };
      assert.equal((await client.publish(topic, 'DiagnosticReport-select', [report, chosen])).status, 206);
      assert.deepEqual((await see([display], 'DiagnosticReport-select')).event.context, [
        reportReference(1),
        { key: 'select', reference: [{ reference: 'Observation/o1' }, { reference: 'ImagingSelection/is1' }] },
      ]);
      const { context } = await display.current();
      assert.deepEqual(
        context.at(-1).resource.entry.map(({ resource }: Json) => resource),
        [imagingSelection, measurement(1)],
      );
      await display.socket.close();
    }));

  it("the profile's own sequence as printed, with deep validation: open, select by resources, close of the report alone", () =>
    withLockstep(
      async ({ origin }) => {
        const topic = crypto.randomUUID();
        const display = await Actor.start(origin, topic, 'Image Display');
        // As in "Open Report Context": no types of identifiers, `imagingStudy` of R4 or `study` of R5.
        const subject = { reference: 'Patient/p7' };
        const printed = (studies: Json): Json[] => [
          {
            key: 'report',
            resource: { resourceType: 'DiagnosticReport', id: 'r7', status: 'unknown', subject, ...studies },
          },
          {
            key: 'patient',
            resource: { resourceType: 'Patient', id: 'p7', identifier: [{ system: 'urn:oid:1.2.3', value: '7' }] },
          },
          {
            key: 'study',
            resource: {
              resourceType: 'ImagingStudy',
              id: 's7',
              status: 'available',
              started: '2010-01-30T23:00:00.000Z',
              subject,
              identifier: [{ system: 'urn:dicom:uid', value: 'urn:oid:1.2.3.7' }],
            },
          },
        ];
        const study = [{ reference: 'ImagingStudy/s7' }];
        for (const studies of [{ imagingStudy: study }, { study }]) {
          await display.does('DiagnosticReport-open', printed(studies));
          await see([display], 'DiagnosticReport-open');
          const { 'context.versionId': version } = await display.current();
          const report = { key: 'report', resource: { resourceType: 'DiagnosticReport', id: 'r7' } };
          // As in "Select Report Content": the report and what is selected as resources, and a version.
          const chosen = { key: 'select', resource: [{ resourceType: 'ImagingStudy', id: 's7' }] };
          await display.does('DiagnosticReport-select', [report, chosen], { 'context.versionId': version });
          assert.deepEqual((await see([display], 'DiagnosticReport-select')).event.context, [
            reportReference(7),
            { key: 'select', reference: [{ reference: 'ImagingStudy/s7' }] },
          ]);
          // As in "Update Report Status": the report named by type and id.
          const final = { ...printed(studies)[0]?.resource, status: 'final', code: { text: 'Chest' } };
          const entry = { request: { method: 'PUT' }, resource: final };
          await display.does('DiagnosticReport-update', [report, updates(entry)], { 'context.versionId': version });
          await see([display], 'DiagnosticReport-update');
          // As in "Close Report Context", its key spelt as 3.0.0 has it: with nothing but the report's type and id.
          const close = { 'context.versionId': version };
          await display.refused(400, 'DiagnosticReport-close', [{ ...report, key: 'Report' }], close);
          await display.does('DiagnosticReport-close', [report], close);
          const closed = await see([display], 'DiagnosticReport-close');
          const keys = closed.event.context.map((one: Json) => one.key);
          assert.deepEqual(keys, ['report', 'patient'], 'others are told what 3.0.0 asks for');
        }
        await display.socket.close();
      },
      { profile: 'ira', validation: 'fhir', createSessions: true },
    ));

  it('RAD-154 a HeartBeat that an actor publishes reaches who subscribed to it', () =>
    withIra(async (origin) => {
      const topic = crypto.randomUUID();
      const one = await Actor.start(origin, topic, 'One');
      const two = await Actor.start(origin, topic, 'Two');
      const form = two.form({
        'hub.events': `${REQUIRED},HeartBeat`,
        'hub.channel.endpoint': two.socket.endpoint,
      });
      assert.equal((await two.client.form(form)).status, 202);
      assert.match((await two.socket.next())['hub.events'], /HeartBeat/);
      const id = await one.does('HeartBeat', [{ key: 'period', decimal: '10' }]);
      await see([two], 'HeartBeat', id);
      await one.does('DiagnosticReport-open', reportContext(1));
      await see([one, two], 'DiagnosticReport-open');
      for (const { socket } of [one, two]) await socket.close();
    }));

  it('RAD-156 a SyncError that is no warning, or lacks a coding; none of it reaches anybody', () =>
    withIra(async (origin) => {
      const actor = await Actor.start(origin, crypto.randomUUID(), 'Image Display');
      const system = 'https://fhircast.hl7.org/events/syncerror';
      const coding = ['eventid', 'eventname', 'subscribername'].map((name) => ({
        system: `${system}/${name}`,
        code: 'x',
      }));
      const posted = (change: Json): Json[] => {
        const issue = { severity: 'warning', code: 'processing', diagnostics: 'x', details: { coding }, ...change };
        return [{ key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue: [issue] } }];
      };
      for (const severity of ['error', 'information', undefined]) {
        await actor.refused(400, 'SyncError', posted({ severity }));
      }
      for (const at of [0, 1, 2]) {
        await actor.refused(400, 'SyncError', posted({ details: { coding: coding.toSpliced(at, 1) } }));
      }
      const id = await actor.does('SyncError', posted({}));
      await see([actor], 'SyncError', id);
      await actor.socket.close();
    }));

  it('RAD-154 a refused update is told of too, and sessions are not made up where the deployment forbids it', () =>
    withLockstep(
      async ({ origin }) => {
        const driver = await HubClient.backend(origin);
        const form = {
          'hub.channel.type': 'websocket',
          'hub.mode': 'subscribe',
          'hub.events': REQUIRED,
          'subscriber.name': 'x',
        };
        assert.equal((await driver.form({ ...form, 'hub.topic': 'made-up' })).status, 404);
        const topic = await driver.session();
        const [one, two] = await Promise.all(['One', 'Two'].map((name) => Actor.start(origin, topic, name)));
        assert.ok(one && two);
        await one.does('DiagnosticReport-open', reportContext(1));
        const versionId = (await see([one, two], 'DiagnosticReport-open')).event['context.versionId'];
        two.socket.answer = ({ event }) => (event['hub.event'] === 'DiagnosticReport-update' ? 500 : 200);
        await one.does('DiagnosticReport-update', [reportReference(1), updates(put(measurement(1)))], {
          'context.versionId': versionId,
        });
        await see([one, two], 'DiagnosticReport-update');
        await see([one, two], 'SyncError');
        for (const { socket } of [one, two]) await socket.close();
      },
      { profile: 'ira' },
    ));
});
