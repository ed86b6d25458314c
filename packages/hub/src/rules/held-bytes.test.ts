import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { observation, parameters, patient, put, reference, remove, report, Trial, updates } from '../../test/events.ts';
import { heldBytes } from './held-bytes.ts';
import { CORE } from './versions.ts';

const MOST = 10_000;

/** A patient whose context takes about so many bytes. */
const large = (id: string, bytes: number) => [
  { key: 'patient', resource: { resourceType: 'Patient', id, text: { div: 'x'.repeat(bytes) } } },
];

function code(decision: ReturnType<Trial['publish']>): string {
  return decision.ok ? 'accepted' : decision.code;
}

describe('PUB-6 what a session may hold', () => {
  it('PUB-6 an event that is too large by itself and a session that is full have different reasons; neither changes anything', () => {
    const trial = new Trial(CORE, { maxSessionBytes: MOST });
    assert.equal(code(trial.publish('Patient-open', large('p1', MOST))), 'event-too-large');
    trial.accepted('Patient-open', large('p1', 6_000));
    const before = trial.state;
    assert.equal(code(trial.publish('Patient-open', large('p2', 6_000))), 'session-full');
    assert.equal(trial.state, before);
    trial.accepted('Patient-open', large('p1', 6_500));
  });

  it('PUB-6 a full session can still be emptied: close, Home-open, logout, an update that deletes', () => {
    for (const [name, context] of [
      ['Patient-close', [patient('p1')]],
      ['Home-open', []],
      ['UserLogout', [parameters]],
      ['org.example.other', []],
    ] as const) {
      const trial = new Trial(CORE, { maxSessionBytes: MOST });
      // It holds more than it may: the setting was changed.
      const before = new Trial();
      before.accepted('Patient-open', large('p0', MOST));
      before.accepted('Patient-open', large('p1', MOST));
      trial.state = before.state;
      trial.accepted(name, context);
    }
  });

  it('PUB-6 whatever happens, the count is that of what is held', () => {
    const id = fc.constantFrom('1', '2', '3');
    const step = fc.oneof(
      id.map((p) => (trial: Trial) => trial.publish('Patient-open', [patient(p)])),
      id.map((p) => (trial: Trial) => trial.publish('Patient-close', [patient(p)])),
      id.map((r) => (trial: Trial) => trial.publish('DiagnosticReport-open', [report(r), patient('1')])),
      id.map((r) => (trial: Trial) => trial.publish('DiagnosticReport-close', [report(r), patient('1')])),
      fc.tuple(id, id, fc.boolean()).map(([r, o, puts]) => (trial: Trial) => {
        const versionId = trial.state.anchors.get(`DiagnosticReport/${r}`)?.versionId ?? 'none';
        const entry = puts ? put(observation(o, Number(r) * 1000)) : remove(`Observation/${o}`);
        return trial.publish(
          'DiagnosticReport-update',
          [reference('report', `DiagnosticReport/${r}`), updates(entry)],
          {
            'context.versionId': versionId,
          },
        );
      }),
      fc.constant((trial: Trial) => trial.publish('UserLogout', [parameters])),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const trial = new Trial();
        for (const one of steps) {
          one(trial);
          assert.equal(trial.state.heldBytes, heldBytes(trial.state.anchors));
        }
      }),
    );
  });
});
