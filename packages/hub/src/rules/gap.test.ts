import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  observation,
  parameters,
  patient,
  reference,
  remove,
  report,
  study,
  Trial,
  updates,
} from '../../test/events.ts';
import { Screen } from '../../test/screen.ts';
import type { Decision } from './commands.ts';
import { believedBy, correction, openContexts } from './gap.ts';
import type { SessionState } from './session-state.ts';

const MADE = { eventId: 'new', timestamp: '2026-01-08T00:00:00Z' };

function away(trial: Trial, id: string): void {
  trial.decide({ kind: 'disconnect', node: 'n', closed: [{ id, code: 1006 }], eventId: 's', timestamp: 't' });
}

/** The same of a session. */
function contentOf(state: SessionState, name: string): Map<string, unknown> {
  const content = state.anchors.get(name)?.content ?? new Map();
  return new Map([...content].map(([url, { resource }]) => [url, JSON.parse(resource)]));
}

type Change = (trial: Trial) => Decision;

const id = fc.constantFrom('1', '2', '3');
const CHANGES: readonly fc.Arbitrary<Change>[] = [
  id.map((p) => (trial) => trial.publish('Patient-open', [patient(p)])),
  id.map((p) => (trial) => trial.publish('Patient-close', [patient(p)])),
  id.map((r) => (trial) => trial.publish('DiagnosticReport-open', [report(r), patient('1')])),
  id.map((r) => (trial) => trial.publish('DiagnosticReport-close', [report(r), patient('1')])),
  fc.constant((trial) => trial.publish('Home-open', [])),
];

function updated(trial: Trial, r: string, entry: Record<string, unknown>): Decision {
  const name = `DiagnosticReport/${r}`;
  const { versionId } = trial.state.anchors.get(name) ?? {};
  const more = { 'context.versionId': versionId };
  return trial.publish('DiagnosticReport-update', [reference('report', name), updates(entry)], more);
}

const PUT: fc.Arbitrary<Change> = fc.tuple(id, id, fc.nat(9)).map(
  ([r, o, value]) =>
    (trial) =>
      updated(trial, r, {
        request: { method: 'PUT', url: `Observation/${o}` },
        resource: observation(o, value),
      }),
);
const DELETE: fc.Arbitrary<Change> = fc.tuple(id, id).map(
  ([r, o]) =>
    (trial) =>
      updated(trial, r, remove(`Observation/${o}`)),
);

/** Makes changes; the screen follows them. */
function make(trial: Trial, changes: readonly Change[], screen?: Screen): void {
  for (const change of changes) {
    const decision = change(trial);
    const [effect] = decision.ok ? decision.effects : [];
    if (effect?.kind === 'event') screen?.take(JSON.stringify(effect.event.message));
  }
}

function shows(screen: Screen, state: SessionState): void {
  assert.equal(screen.current, state.current);
  for (const [name, content] of screen.open) {
    assert.ok(state.anchors.has(name), `${name} is not open`);
    assert.deepEqual(content, contentOf(state, name), name);
  }
}

describe('SUB-11 a gap is said', () => {
  it('SUB-11 a context that was closed meanwhile is closed for who comes back, under an id of its own', () => {
    const trial = new Trial();
    trial.join('a');
    trial.accepted('Patient-open', [patient('p1')]);
    away(trial, 'a');
    trial.accepted('ImagingStudy-open', [study()]);
    trial.accepted('Patient-close', [patient('p1')]);
    const believed = believedBy(trial.state, trial.subscription('a').presence);
    assert.ok(believed);
    const sent = correction(trial.state, believed, MADE);
    assert.deepEqual(
      sent.map(({ name, id }) => [name, id]),
      [
        ['Patient-close', 'new.c0'],
        ['ImagingStudy-open', 'new.o0'],
      ],
    );
  });

  it('SUB-11 after a logout it is unknown what a subscriber shows: one that comes back starts afresh', () => {
    const trial = new Trial();
    trial.join('a');
    trial.accepted('Patient-open', [patient('p1')]);
    away(trial, 'a');
    trial.accepted('UserLogout', [parameters]);
    assert.equal(believedBy(trial.state, trial.subscription('a').presence), undefined);
    assert.deepEqual(trial.state.closed, [], 'nothing of it is kept');
  });

  it('SUB-11 a close that was on its way when the connection broke is remembered, and not for ever', () => {
    const trial = new Trial();
    trial.accepted('Patient-open', [patient('p0')]);
    trial.accepted('Patient-close', [patient('p0')]);
    const remembered = (): readonly string[] => trial.state.closed.map(({ key }) => key.id);
    assert.deepEqual(remembered(), [], 'there is nobody who may not have been told');
    trial.join('a');
    trial.accepted('Patient-open', [patient('p1')]);
    trial.accepted('Patient-close', [patient('p1')]);
    away(trial, 'a');
    const believed = believedBy(trial.state, trial.subscription('a').presence);
    assert.deepEqual(
      (believed ?? []).map(({ key }) => key.id),
      ['p1'],
    );
    trial.decide({ kind: 'connect', id: 'a', node: 'n' });
    trial.now += 121_000;
    trial.accepted('Patient-open', [patient('p2')]);
    trial.accepted('Patient-close', [patient('p2')]);
    assert.deepEqual(remembered(), ['p2']);
  });

  it('SUB-11 of a long context only what it is about is remembered for the close', () => {
    const trial = new Trial();
    trial.join('a');
    const text = { status: 'generated', div: 'x'.repeat(100_000) };
    trial.accepted('Patient-open', [{ key: 'patient', resource: { resourceType: 'Patient', id: 'p1', text } }]);
    trial.accepted('Patient-close', [patient('p1')]);
    const [closed] = trial.state.closed;
    const kept: readonly { resource: { id: string } }[] = JSON.parse(closed?.context ?? '');
    assert.deepEqual(
      kept.map(({ resource }) => resource.id),
      ['p1'],
    );
    assert.ok((closed?.context.length ?? 0) < 2048);
  });

  it('SUB-11 whatever happened meanwhile, the screen shows what is open, current and shared of each type afterwards', () => {
    const change = fc.oneof(...CHANGES, PUT, DELETE);
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), fc.array(change, { maxLength: 20 }), (seen, missed) => {
        const trial = new Trial();
        const screen = new Screen();
        trial.join('a');
        make(trial, seen, screen);
        away(trial, 'a');
        make(trial, missed);
        const believed = believedBy(trial.state, trial.subscription('a').presence);
        assert.ok(believed);
        for (const { text } of correction(trial.state, believed, MADE)) screen.take(text);
        shows(screen, trial.state);
      }),
    );
  });

  it('SUB-11 who stays connected while the store comes back from a copy shows what is open, current and shared in the copy', () => {
    const change = fc.oneof(...CHANGES, PUT, DELETE);
    fc.assert(
      fc.property(fc.array(change, { maxLength: 15 }), fc.array(change, { maxLength: 10 }), (copied, undone) => {
        const trial = new Trial();
        const screen = new Screen();
        trial.join('a');
        make(trial, copied, screen);
        const copy = trial.state;
        make(trial, undone, screen);
        for (const { text } of correction(copy, openContexts(trial.state), MADE)) screen.take(text);
        shows(screen, copy);
      }),
    );
  });
});
