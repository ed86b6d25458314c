import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  bare,
  observation,
  parameters,
  patient,
  put,
  reference,
  remove,
  report,
  START,
  Trial,
  updates,
} from '../../test/events.ts';
import type { SessionState } from '../rules/session-state.ts';
import { applyParts, changedAt, diffParts, fromParts, HEAD_PART, VERSIONS_IN_HEAD } from './session-record.ts';

/** Names of the resources shared in the report, in order. */
const shared = ({ anchors }: SessionState): readonly string[] => [
  ...(anchors.get('DiagnosticReport/r1')?.content.keys() ?? []),
];

/** Updates, each of which shares or removes some of few resources. */
const UPDATES = fc.array(
  fc.uniqueArray(fc.record({ id: fc.integer({ min: 1, max: 24 }), isPut: fc.boolean() }), {
    minLength: 1,
    maxLength: 24,
    selector: ({ id }) => id,
  }),
  { maxLength: 8 },
);

const stored = (trial: Trial): Map<string, string> =>
  new Map([...diffParts(undefined, trial.state)].map(([part, text]) => [part, text ?? '']));

function busy(): Trial {
  const trial = new Trial();
  trial.accepted('Patient-open', [patient('p1')]);
  trial.accepted('DiagnosticReport-open', [report(), patient()]);
  trial.accepted(
    'DiagnosticReport-update',
    [reference('report', 'DiagnosticReport/r1'), updates(put(observation('o1'), 'urn:o1'), put(observation('o2')))],
    { 'context.versionId': 'v2' },
  );
  trial.join('a');
  return trial;
}

describe('PUB-4 stored parts', () => {
  it('rebuild the state', () => {
    const trial = busy();
    assert.deepEqual(bare(fromParts(trial.state.topic, stored(trial))), bare(trial.state));
    trial.accepted('Home-open', []);
    assert.deepEqual(bare(fromParts(trial.state.topic, stored(trial))), bare(trial.state));
  });

  it('are written only where something changed', () => {
    const trial = busy();
    const before = trial.state;
    trial.accepted(
      'DiagnosticReport-update',
      [reference('report', 'DiagnosticReport/r1'), updates(put(observation('o2', 9)))],
      {
        'context.versionId': 'v3',
      },
    );
    assert.deepEqual(
      [...diffParts(before, trial.state).keys()],
      [HEAD_PART, 'content:DiagnosticReport/r1 Observation/o2'],
    );
    const updated = trial.state;
    trial.accepted('DiagnosticReport-select', [reference('report', 'DiagnosticReport/r1')]);
    assert.deepEqual([...diffParts(updated, trial.state).keys()], [HEAD_PART]);
  });

  it('of what is gone are removed', () => {
    const trial = busy();
    const before = trial.state;
    trial.accepted('DiagnosticReport-close', [report(), patient()]);
    trial.decide({ kind: 'deny', ids: ['a'], reason: 'x' });
    const removed = [...diffParts(before, trial.state)].filter(([, text]) => text === null).map(([part]) => part);
    assert.deepEqual(removed.sort(), [
      'anchor:DiagnosticReport/r1',
      'content:DiagnosticReport/r1 Observation/o1',
      'content:DiagnosticReport/r1 Observation/o2',
      'subscription:a',
    ]);
  });

  it('that changed lead from the state before to the one after', () => {
    const trial = new Trial();
    const follows = (change: () => void): void => {
      const before = trial.state;
      change();
      const followed = applyParts(before, diffParts(before, trial.state));
      assert.deepEqual(bare(followed), bare(trial.state));
      assert.deepEqual([...followed.anchors.keys()], [...trial.state.anchors.keys()]);
    };
    const select = [reference('report', 'DiagnosticReport/r1')];
    follows(() => trial.accepted('Patient-open', [patient('p1')]));
    follows(() => trial.accepted('DiagnosticReport-open', [report(), patient()]));
    follows(() =>
      trial.accepted('DiagnosticReport-update', [...select, updates(put(observation('o1')), put(observation('o2')))], {
        'context.versionId': 'v2',
      }),
    );
    follows(() => trial.accepted('DiagnosticReport-select', select));
    follows(() =>
      trial.accepted('DiagnosticReport-update', [...select, updates(put(observation('o2', 9)))], {
        'context.versionId': 'v3',
      }),
    );
    follows(() => trial.accepted('Patient-open', [patient('p1')]));
    follows(() => trial.subscribe('a'));
    follows(() => trial.decide({ kind: 'connect', id: 'a', node: 'n' }));
    follows(() => trial.subscribe('b', { 'hub.channel.endpoint': 'wss://x/a' }));
    follows(() => trial.accepted('Home-open', []));
    follows(() => trial.decide({ kind: 'deny', ids: ['a'], reason: 'x' }));
    follows(() => trial.accepted('DiagnosticReport-close', [report(), patient()]));
    follows(() => trial.accepted('UserLogout', [parameters]));
  });

  it('hold the versions of few contexts in the head and of many each for itself, and lead from one to the other', () => {
    const trial = new Trial();
    const parts = stored(trial);
    const follows = (change: () => unknown): void => {
      const before = trial.state;
      change();
      const changes = diffParts(before, trial.state);
      for (const [part, text] of changes) {
        if (text === null) assert.ok(parts.delete(part), `${part} was not there to be removed`);
        else parts.set(part, text);
      }
      assert.deepEqual(bare(applyParts(before, changes)), bare(trial.state));
      assert.deepEqual(bare(fromParts(trial.state.topic, parts)), bare(trial.state));
      const apart = [...parts.keys()].filter((part) => part.startsWith('version:'));
      assert.equal(apart.length, trial.state.anchors.size > VERSIONS_IN_HEAD ? trial.state.anchors.size : 0);
    };
    const update = () =>
      trial.accepted(
        'DiagnosticReport-update',
        [reference('report', 'DiagnosticReport/r1'), updates(put(observation('o1')))],
        { 'context.versionId': trial.version('DiagnosticReport/r1') },
      );
    for (let round = 0; round < 2; round += 1) {
      follows(() => trial.accepted('DiagnosticReport-open', [report(), patient()]));
      for (let index = 0; index < VERSIONS_IN_HEAD + 2; index += 1) {
        follows(() => trial.accepted('Patient-open', [patient(`p${index}`)]));
        follows(update);
      }
      follows(() => trial.accepted('Patient-open', [patient('p3')]));
      for (let index = 0; index < 4; index += 1) {
        follows(() => trial.accepted('Patient-close', [patient(`p${index}`)]));
        follows(update);
      }
    }
    for (let index = 0; index < 3; index += 1) follows(() => trial.accepted('Patient-open', [patient(`p${index}`)]));
    follows(() => trial.accepted('UserLogout', [parameters]));
  });

  it('of an earlier version, which had the versions of many contexts in the head, are taken over with the next event', () => {
    const trial = new Trial();
    for (let index = 0; index < VERSIONS_IN_HEAD + 4; index += 1)
      trial.accepted('Patient-open', [patient(`p${index}`)]);
    const parts = stored(trial);
    const versions: Record<string, string> = {};
    for (const [name, { versionId }] of trial.state.anchors) {
      versions[name] = versionId;
      parts.delete(`version:${name}`);
    }
    parts.set(HEAD_PART, JSON.stringify({ ...JSON.parse(parts.get(HEAD_PART) ?? '{}'), versions }));
    const before = fromParts(trial.state.topic, parts);
    assert.deepEqual(bare(before), bare(trial.state));
    trial.state = before;
    trial.accepted('Patient-close', [patient('p0')]);
    for (const [part, text] of diffParts(before, trial.state)) {
      if (text === null) parts.delete(part);
      else parts.set(part, text);
    }
    assert.deepEqual(bare(fromParts(trial.state.topic, parts)), bare(trial.state));
  });

  it('PUB-13 are read in their own words, whatever stands in their texts and wherever their members stood earlier', () => {
    const nasty = ['","context":[],"', ',"resource":1', '\\","context":', '{"resource":{}}', '\u2028"}', 'urn:o1'];
    for (const text of nasty) {
      const trial = new Trial();
      trial.accepted('Patient-open', [patient('p1')]);
      trial.accepted('DiagnosticReport-open', [report(), patient()]);
      const inside = { ...observation('o1'), note: [{ text, fullUrl: text, resource: text, context: [text] }] };
      trial.accepted(
        'DiagnosticReport-update',
        [reference('report', 'DiagnosticReport/r1'), updates(put(inside, text), put(observation('o2')))],
        { 'context.versionId': 'v2' },
      );
      const parts = [...stored(trial)].map(([part, written]): [string, string] => {
        if (!part.startsWith('anchor:')) return [part, written];
        // The id of an opening is its publisher's.
        return [part, written.replace(/"id":"[^"]*"/, () => `"id":${JSON.stringify(text)}`)];
      });
      const state = fromParts(trial.state.topic, new Map(parts));
      for (const [name, { opening, content }] of state.anchors) {
        const before = trial.state.anchors.get(name);
        assert.equal(opening.id, text);
        assert.equal(opening.context, before?.opening.context);
        assert.deepEqual([...content], [...(before?.content ?? [])]);
      }
      // An earlier version wrote the resource first, and its address behind it.
      const earlier = parts.map(([part, written]): [string, string] => {
        if (!part.startsWith('content:')) return [part, written];
        const { fullUrl, resource } = JSON.parse(written);
        return [part, JSON.stringify({ resource, fullUrl })];
      });
      const [read] = [
        ...(fromParts(trial.state.topic, new Map(earlier)).anchors.get('DiagnosticReport/r1')?.content ?? []),
      ];
      const [, held] =
        [...(state.anchors.get('DiagnosticReport/r1')?.content ?? [])].find(([key]) => key === read?.[0]) ?? [];
      assert.ok(read && held);
      assert.deepEqual([read[1].resource, read[1].fullUrl], [held.resource, held.fullUrl]);
    }
  });

  it('CON-6 keep the order of sharing, in whichever order the store gives them back', () => {
    const check = (all: readonly (readonly { readonly id: number; readonly isPut: boolean }[])[]): void => {
      const trial = new Trial();
      trial.accepted('DiagnosticReport-open', [report(), patient()]);
      let followed = trial.state;
      const expected = new Map<string, true>();
      for (const entries of all) {
        for (const { id, isPut } of entries) {
          if (isPut) expected.set(`Observation/o${id}`, true);
          else expected.delete(`Observation/o${id}`);
        }
        const bundle = entries.map(({ id, isPut }) =>
          isPut ? put(observation(`o${id}`)) : remove(`Observation/o${id}`),
        );
        const before = trial.state;
        const more = { 'context.versionId': trial.version('DiagnosticReport/r1') };
        trial.accepted(
          'DiagnosticReport-update',
          [reference('report', 'DiagnosticReport/r1'), updates(...bundle)],
          more,
        );
        followed = applyParts(followed, diffParts(before, trial.state));
        const read = fromParts(trial.state.topic, new Map([...stored(trial)].toReversed()));
        for (const state of [trial.state, followed, read]) assert.deepEqual(shared(state), [...expected.keys()]);
      }
    };
    fc.assert(fc.property(UPDATES, check), { numRuns: 60 });
  });

  it('CON-6 of an earlier version, without an order, come first, in the order of their names', () => {
    const trial = busy();
    const update = (...ids: readonly string[]): unknown => {
      const more = { 'context.versionId': trial.version('DiagnosticReport/r1') };
      const bundle = updates(...ids.map((id) => put(observation(id, 5))));
      return trial.accepted('DiagnosticReport-update', [reference('report', 'DiagnosticReport/r1'), bundle], more);
    };
    const old = [...stored(trial)].map(([part, text]) => [part, text.replace(/"order":\d+,/, '')] as const);
    trial.state = fromParts(trial.state.topic, new Map(old.toReversed()));
    update('o0', 'o2');
    const order = ['Observation/o1', 'Observation/o2', 'Observation/o0'];
    assert.deepEqual(shared(trial.state), order);
    assert.deepEqual(shared(fromParts(trial.state.topic, stored(trial))), order);
    // Another node of the earlier version shares one more.
    const later = new Map([...stored(trial)].filter(([part]) => part.endsWith(' Observation/o1')));
    const [[, text = ''] = []] = later;
    const head = stored(trial).get(HEAD_PART) ?? '';
    const changes = new Map([
      [HEAD_PART, head],
      ['content:DiagnosticReport/r1 Observation/a9', text],
    ]);
    assert.deepEqual(shared(applyParts(trial.state, changes)), ['Observation/a9', ...order]);
  });

  it('SES-5 tell the time of the last change', () => {
    const trial = busy();
    assert.equal(changedAt(stored(trial).get(HEAD_PART) ?? ''), START);
  });
});
