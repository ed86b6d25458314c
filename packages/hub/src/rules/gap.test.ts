import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parameters, patient, report, study, Trial } from '../../test/events.ts';
import { believedBy, correction } from './gap.ts';

const MADE = { eventId: 'new', timestamp: '2026-01-08T00:00:00Z' };

function away(trial: Trial, id: string): void {
  trial.decide({ kind: 'disconnect', node: 'n', closed: [{ id, code: 1006 }], eventId: 's', timestamp: 't' });
}

/** What a screen shows after events: open anchors in their order, and the current one. */
class Screen {
  readonly open = new Set<string>();
  current: string | undefined;

  take(text: string): void {
    const { event } = JSON.parse(text) as {
      event: { 'hub.event': string; context: { resource: { resourceType: string; id: string } }[] };
    };
    const [type, action] = event['hub.event'].split('-');
    if (event['hub.event'] === 'Home-open') {
      this.current = undefined;
      return;
    }
    const anchor = event.context.find(({ resource }) => resource.resourceType === type)?.resource;
    const name = `${type}/${anchor?.id}`;
    if (action === 'open') {
      this.open.add(name);
      this.current = name;
    } else {
      this.open.delete(name);
      if (this.current === name) this.current = undefined;
    }
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

  it('SUB-11 after a logout nobody knows what is believed: who comes back starts afresh', () => {
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

  it('SUB-11 whatever happened meanwhile, the screen shows what is open and current of each type afterwards', () => {
    const id = fc.constantFrom('1', '2', '3');
    const step = fc.oneof(
      id.map((p) => (trial: Trial) => trial.publish('Patient-open', [patient(p)])),
      id.map((p) => (trial: Trial) => trial.publish('Patient-close', [patient(p)])),
      id.map((r) => (trial: Trial) => trial.publish('DiagnosticReport-open', [report(r), patient('1')])),
      id.map((r) => (trial: Trial) => trial.publish('DiagnosticReport-close', [report(r), patient('1')])),
      fc.constant((trial: Trial) => trial.publish('Home-open', [])),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), fc.array(step, { maxLength: 20 }), (seen, missed) => {
        const trial = new Trial();
        const screen = new Screen();
        trial.join('a');
        for (const one of seen) {
          const decision = one(trial);
          const [effect] = decision.ok ? decision.effects : [];
          if (effect?.kind === 'event') screen.take(JSON.stringify(effect.event.message));
        }
        away(trial, 'a');
        for (const one of missed) one(trial);
        const believed = believedBy(trial.state, trial.subscription('a').presence);
        assert.ok(believed);
        for (const { text } of correction(trial.state, believed, MADE)) screen.take(text);
        assert.equal(screen.current, trial.state.current);
        for (const name of screen.open) assert.ok(trial.state.anchors.has(name), `${name} is not open`);
      }),
    );
  });
});
