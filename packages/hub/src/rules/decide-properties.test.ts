/** Random command sequences: what must hold of a session whatever happens in it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type EventMessage, parseReference, type Resource } from '@lockstep/fhircast';
import fc from 'fast-check';
import {
  bare,
  encounter,
  eventOf,
  observation,
  operationOutcome,
  parameters,
  patient,
  put,
  reference,
  remove,
  report,
  START,
  study,
  Trial,
  updates,
} from '../../test/events.ts';
import { Delivery } from '../live/delivery.ts';
import { diffParts, fromParts } from '../stored/session-record.ts';
import { afterSending, newInterest, selected } from './audience.ts';
import type { SessionState } from './session-state.ts';

type Step = (trial: Trial) => ReturnType<Trial['decide']>;

const id = fc.constantFrom('1', '2', '3');
const resource = fc.record({ type: fc.constantFrom('Observation', 'Media'), id, value: fc.nat(9) });
/** Few, so that the same one is filled and emptied again. */
const reportId = fc.constantFrom('1', '2');
const version = fc.constantFrom('current', 'current', 'current', 'stale', 'invented');

const entry = fc.oneof(
  {
    weight: 5,
    arbitrary: resource.map(({ type, id: name, value }) => put({ ...observation(name, value), resourceType: type })),
  },
  { weight: 4, arbitrary: resource.map(({ type, id: name }) => remove(`${type}/${name}`)) },
  // Part of every report's opening context: refused.
  { weight: 1, arbitrary: fc.constant(remove('Patient/1')) },
);

const open = fc.oneof(
  id.map(
    (p): Step =>
      (trial) =>
        trial.publish('Patient-open', [patient(p)]),
  ),
  fc.tuple(id, id).map(
    ([n, p]): Step =>
      (trial) =>
        trial.publish('Encounter-open', [encounter(n), patient(p)]),
  ),
  fc.tuple(id, id).map(
    ([s, p]): Step =>
      (trial) =>
        trial.publish('ImagingStudy-open', [study(s), patient(p)]),
  ),
  reportId.map(
    (r): Step =>
      (trial) =>
        trial.publish('DiagnosticReport-open', [report(r), patient('1'), study('1')]),
  ),
  fc.constant<Step>((trial) => trial.publish('Home-open', [])),
);

const close = fc.oneof(
  id.map(
    (p): Step =>
      (trial) =>
        trial.publish('Patient-close', [patient(p)]),
  ),
  reportId.map(
    (r): Step =>
      (trial) =>
        trial.publish('DiagnosticReport-close', [report(r), patient('1')]),
  ),
);

const update = fc.tuple(reportId, version, fc.array(entry, { maxLength: 3 })).map(([r, which, entries]): Step => {
  return (trial) => {
    const anchor = trial.state.anchors.get(`DiagnosticReport/${r}`);
    const versions = { current: anchor?.versionId ?? 'none', stale: 'v1', invented: 'x' };
    return trial.publish(
      'DiagnosticReport-update',
      [reference('report', `DiagnosticReport/${r}`), updates(...entries)],
      {
        'context.versionId': versions[which],
      },
    );
  };
});

const other = fc.oneof(
  id.map(
    (r): Step =>
      (trial) =>
        trial.publish('DiagnosticReport-select', [reference('report', `DiagnosticReport/${r}`), { key: 'select' }]),
  ),
  fc.constant<Step>((trial) => trial.publish('SyncError', [operationOutcome])),
  fc.constant<Step>((trial) => trial.publish('org.example.thing', [{ anything: 1 }])),
  fc.constant<Step>((trial) => trial.publish('UserLogout', [parameters])),
  id.map(
    (s): Step =>
      (trial) =>
        trial.subscribe(s),
  ),
  id.map(
    (s): Step =>
      (trial) =>
        trial.decide({ kind: 'connect', id: s, node: 'n' }),
  ),
  id.map(
    (s): Step =>
      (trial) =>
        trial.decide({ kind: 'deny', ids: [s], reason: 'x' }),
  ),
);

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: open },
    { weight: 6, arbitrary: update },
    { weight: 2, arbitrary: close },
    { weight: 2, arbitrary: other },
  ),
  // Left to itself, fast-check stops at a dozen: too few for anything to be opened, filled, left and opened again.
  { minLength: 1, maxLength: 60, size: 'max' },
);

interface Entry {
  readonly request: { readonly method: string; readonly url: string };
  readonly resource?: Resource;
}

/** What a subscriber that gets every event and follows FHIRcast's text believes: contexts, versions and content. */
class Follower {
  readonly anchors = new Map<string, { version: string; content: Map<string, Resource> }>();
  current: string | undefined;
  /** Whether Home-open is the latest context change. */
  home = false;

  take({ event }: EventMessage): void {
    const [type = '', action] = event['hub.event'].split('-');
    if (event['hub.event'] === 'UserLogout') this.anchors.clear();
    if (event['hub.event'] === 'UserLogout' || event['hub.event'] === 'Home-open') this.current = undefined;
    if (event['hub.event'] === 'Home-open') this.home = true;
    else if (event['hub.event'] === 'UserLogout' || action === 'open') this.home = false;
    const [first] = event.context;
    const key =
      first?.resource?.id ??
      parseReference((first?.reference as { reference: string } | undefined)?.reference ?? '')?.id;
    const name = `${type}/${key}`;
    const held = this.anchors.get(name);
    if (action === 'open' && type !== 'Home') {
      this.anchors.delete(name);
      this.anchors.set(name, { version: event['context.versionId'] ?? '', content: held?.content ?? new Map() });
      this.current = name;
    } else if (action === 'close') {
      this.anchors.delete(name);
      if (this.current === name) this.current = undefined;
    } else if (action === 'update') {
      assert.ok(held, `an update of ${name}, which is not open`);
      assert.equal(event['context.priorVersionId'], held.version, 'the version chain is broken');
      held.version = event['context.versionId'] ?? '';
      const bundle = event.context.find((element) => element.key === 'updates')?.resource;
      for (const one of (bundle?.entry ?? []) as Required<Entry>[]) {
        if (one.request.method === 'PUT') {
          held.content.set(`${one.resource.resourceType}/${one.resource.id}`, one.resource);
        } else held.content.delete(one.request.url);
      }
    }
  }

  get view(): unknown {
    return {
      current: this.current,
      home: this.home,
      anchors: [...this.anchors].map(([name, { version: v, content }]) => [name, v, new Map(content)]),
    };
  }
}

function view(state: SessionState): unknown {
  return {
    current: state.current,
    home: state.home !== undefined,
    anchors: [...state.anchors].map(([name, anchor]) => [
      name,
      anchor.versionId,
      new Map([...anchor.content].map(([key, held]) => [key, JSON.parse(held.resource)])),
    ]),
  };
}

/** Runs the steps. @returns what went out, in order */
function run(trial: Trial, list: readonly Step[], after?: (before: SessionState) => void): readonly EventMessage[] {
  const out: EventMessage[] = [];
  for (const step of list) {
    const before = trial.state;
    trial.now += 1;
    const decision = step(trial);
    const accepted = eventOf(decision);
    if (!decision.ok) assert.equal(trial.state, before, 'a refusal changed the state');
    else if (accepted) {
      assert.equal(accepted.number, before.nextNumber);
      assert.equal(trial.state.nextNumber, before.nextNumber + 1);
      out.push(accepted.message);
    }
    after?.(before);
  }
  assert.equal(trial.state.nextNumber, out.length + 1);
  return out;
}

const delivery = (message: EventMessage, number: number): Delivery =>
  new Delivery({ number, id: message.id, name: message.event['hub.event'], text: JSON.stringify(message) });

describe('whatever happens in a session', () => {
  it('PUB-3, CON-2 who follows the events has the same contexts, versions and content', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const trial = new Trial();
        const follower = new Follower();
        let seen = 0;
        const out: EventMessage[] = [];
        for (const step of list) {
          const accepted = eventOf(step(trial));
          if (accepted) out.push(accepted.message);
          for (; seen < out.length; seen++) follower.take(out[seen]!);
          assert.deepEqual(follower.view, view(trial.state));
        }
        const replay = new Follower();
        for (const message of out) replay.take(JSON.parse(JSON.stringify(message)));
        assert.deepEqual(replay.view, follower.view);
      }),
    );
  });

  it('PUB-8, CON-2 no version is ever given twice', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const given = run(new Trial(), list).flatMap(({ event }) =>
          /-(open|update)$/.test(event['hub.event']) ? [event['context.versionId']] : [],
        );
        assert.ok(given.every((one) => one !== undefined));
        assert.equal(new Set(given).size, given.length);
      }),
    );
  });

  it('CON-8 an update of a version that is already history is refused', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const trial = new Trial();
        const first: Step = () => trial.publish('DiagnosticReport-open', [report('1'), patient('1')]);
        const history = new Set<string>();
        run(trial, [first, ...list], () => {
          for (const { versionId } of trial.state.anchors.values()) history.add(versionId);
        });
        const held = trial.state.anchors.get('DiagnosticReport/1');
        for (const old of history) {
          if (old === held?.versionId) continue;
          const context = [reference('report', 'DiagnosticReport/1'), updates(put(observation('1')))];
          const code = trial.refused('DiagnosticReport-update', context, { 'context.versionId': old });
          assert.equal(code, held ? 'version-conflict' : 'not-open');
        }
      }),
    );
  });

  it('CON-3, CON-4 an update of the current version is applied as a whole, or refused as a whole', () => {
    fc.assert(
      fc.property(steps, fc.array(entry, { maxLength: 4 }), (list, entries) => {
        const trial = new Trial();
        run(trial, list);
        trial.accepted('DiagnosticReport-open', [report('1'), patient('1'), study('1')]);
        const held = (): Map<string, unknown> =>
          new Map(
            [...trial.state.anchors.get('DiagnosticReport/1')!.content].map(([key, one]) => [
              key,
              JSON.parse(one.resource),
            ]),
          );
        const expected = held();
        const names: string[] = [];
        for (const { request: asked, resource: put } of entries as unknown as readonly Entry[]) {
          const name = put ? `${put.resourceType}/${put.id}` : asked.url;
          names.push(name);
          if (put) expected.set(name, put);
          else expected.delete(name);
        }
        const repeats = new Set(names).size < names.length;
        const context = [reference('report', 'DiagnosticReport/1'), updates(...entries)];
        const more = { 'context.versionId': trial.version('DiagnosticReport/1') };
        if (repeats || names.includes('Patient/1')) {
          assert.equal(trial.refused('DiagnosticReport-update', context, more), repeats ? 'invalid' : 'fixed-context');
          return;
        }
        trial.accepted('DiagnosticReport-update', context, more);
        assert.deepEqual(held(), expected);
      }),
    );
  });

  it('CON-7 a selection changes nothing, and is made where the user is', () => {
    fc.assert(
      fc.property(steps, id, (list, r) => {
        const trial = new Trial();
        run(trial, list);
        const before = view(trial.state);
        const decision = trial.publish('DiagnosticReport-select', [
          reference('report', `DiagnosticReport/${r}`),
          { key: 'select' },
        ]);
        assert.equal(decision.ok, trial.state.current === `DiagnosticReport/${r}`);
        assert.deepEqual(view(trial.state), before);
      }),
    );
  });

  it('PUB-7 a retry of any event changes nothing', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const trial = new Trial();
        for (const [index, { id: eventId, event }] of run(trial, list).entries()) {
          const before = trial.state;
          const known = { number: index + 1 };
          const decision = trial.publish(event['hub.event'], event.context, { id: eventId }, { known });
          assert.ok(decision.ok && !eventOf(decision), event['hub.event']);
          assert.equal(trial.state, before);
        }
      }),
    );
  });

  it('SUB-8 the current context is the last one opened', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const trial = new Trial();
        run(trial, list, () => {
          const { current, anchors } = trial.state;
          if (current !== undefined) assert.equal(current, [...anchors.keys()].at(-1));
          const numbers = [...anchors.values()].map(({ opening }) => opening.number);
          assert.deepEqual(
            numbers,
            numbers.toSorted((a, b) => a - b),
          );
        });
      }),
    );
  });

  it('PUB-4 the stored parts rebuild the same state, each change written by its difference', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const trial = new Trial();
        const parts = new Map<string, string>();
        const write = (before: SessionState | undefined): void => {
          for (const [part, text] of diffParts(before, trial.state)) {
            if (text === null) assert.ok(parts.delete(part), `${part} was not there to be removed`);
            else parts.set(part, text);
          }
        };
        write(undefined);
        run(trial, list, (before) => {
          if (trial.state !== before) write(before);
          assert.deepEqual(bare(fromParts(trial.state.topic, parts)), bare(trial.state));
        });
      }),
    );
  });

  it('PUB-3, DER-1 no subscriber gets an event that it did not subscribe to', () => {
    const names = fc.subarray([
      'Patient-open',
      'Patient-close',
      'ImagingStudy-open',
      'Encounter-open',
      'SyncError',
      '*',
    ]);
    fc.assert(
      fc.property(steps, names, fc.boolean(), (list, granted, derives) => {
        let interest = newInterest(granted, derives);
        for (const [index, message] of run(new Trial(), list).entries()) {
          const name = message.event['hub.event'];
          const original = delivery(message, index + 1);
          const sent = selected(interest, original);
          for (const one of sent) interest = afterSending(interest, one, original);
          const wanted = granted.includes('*') || granted.includes(name);
          if (wanted) assert.deepEqual(sent, [original.sendable]);
          for (const one of sent) {
            const read = JSON.parse(one.bytes.toString()) as EventMessage;
            assert.equal(read.event['hub.event'], one.name);
            assert.ok(granted.includes('*') || granted.includes(one.name), `${one.name} was not subscribed to`);
            if (!wanted) assert.ok(derives && name.endsWith('-open') && one.name.endsWith('-open'));
          }
        }
      }),
    );
  });

  it('SES-5 the time of the last change is known', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const trial = new Trial();
        run(trial, list, (before) => {
          assert.equal(trial.state.changedAt, trial.state === before ? before.changedAt : trial.now);
        });
        assert.ok(trial.state.changedAt >= START);
      }),
    );
  });
});
