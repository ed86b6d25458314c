import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseTimestamp, spellEventName } from './event-names.ts';
import { HeldContexts } from './held-contexts.ts';

const topic = 't';
const element = (type: string, id: string, key = type.toLowerCase()) => ({ key, resource: { resourceType: type, id } });
const message = (name: string, context: object[], seconds: number, versions: object = {}) => ({
  id: `${name}-${seconds}`,
  timestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, seconds)).toISOString(),
  event: { 'hub.topic': topic, 'hub.event': name, context: context as never, ...versions },
});
const reading = (type: string, versionId: string, context: object[], content: object[] = []) => ({
  ok: true as const,
  type,
  versionId,
  context: context as never,
  content: content.map((resource) => ({ resource })),
});
const everything = () => true;
const nothing = () => false;
const version = (versionId: string, prior?: string) => ({
  'context.versionId': versionId,
  ...(prior ? { 'context.priorVersionId': prior } : {}),
});

describe('event names', () => {
  it('SUB-3 are spelt as in the catalog, whatever the case they come in', () => {
    assert.equal(spellEventName('syncerror', []), 'SyncError');
    assert.equal(spellEventName('HOME-OPEN', []), 'Home-open');
    assert.equal(spellEventName('imagingstudy-open', [element('ImagingStudy', '1', 'study')]), 'ImagingStudy-open');
    assert.equal(
      spellEventName('careplan-update', [{ key: 'careplan', reference: { reference: 'CarePlan/1' } }]),
      'CarePlan-update',
    );
    assert.equal(spellEventName('org.example.Wave', []), 'org.example.Wave');
  });
});

describe('timestamps', () => {
  it('2.5 are UTC, with or without saying so', () => {
    const instant = Date.UTC(2018, 0, 8, 1, 37, 5, 140);
    assert.equal(parseTimestamp('2018-01-08T01:37:05.14'), instant);
    assert.equal(parseTimestamp('2018-01-08T01:37:05.140Z'), instant);
    assert.equal(parseTimestamp('2018-01-08T02:37:05.14+01:00'), instant);
    assert.ok(Number.isNaN(parseTimestamp('soon')));
  });
});

describe('the current context', () => {
  it('PUB-9 is empty after its close, and untouched by the close of another', () => {
    const contexts = new HeldContexts();
    contexts.apply(message('Patient-open', [element('Patient', 'p')], 1), nothing);
    contexts.apply(message('DiagnosticReport-open', [element('DiagnosticReport', 'r', 'report')], 2), nothing);
    contexts.apply(message('Patient-close', [element('Patient', 'p')], 3), nothing);
    assert.equal(contexts.current?.id, 'r');
    contexts.apply(message('DiagnosticReport-close', [element('DiagnosticReport', 'r', 'report')], 4), nothing);
    assert.equal(contexts.current, undefined);
  });

  it('PUB-10 Home-open empties it, open anchors stay; UserLogout ends them all', () => {
    const contexts = new HeldContexts();
    contexts.apply(message('Patient-open', [element('Patient', 'p')], 1), nothing);
    contexts.apply(message('Home-open', [], 2), nothing);
    assert.equal(contexts.current, undefined);
    assert.equal(contexts.model.anchors.get('Patient/p')?.key.id, 'p');
    contexts.apply(message('UserLogout', [], 3), nothing);
    assert.equal(contexts.model.anchors.get('Patient/p'), undefined);
  });

  it('2.5 an older event changes nothing, an equally old or undated one does', () => {
    const contexts = new HeldContexts();
    contexts.apply(message('Patient-open', [element('Patient', 'p1')], 5), nothing);
    assert.equal(contexts.apply(message('Patient-open', [element('Patient', 'p0')], 4), nothing).kind, 'older');
    assert.equal(contexts.apply(message('Patient-close', [element('Patient', 'p1')], 4), nothing).kind, 'older');
    assert.equal(contexts.current?.id, 'p1');
    assert.equal(contexts.apply(message('Patient-open', [element('Patient', 'p2')], 5), nothing).kind, 'news');
    const undated = { ...message('Patient-open', [element('Patient', 'p3')], 6), timestamp: '' };
    assert.equal(contexts.apply(undated, nothing).kind, 'news');
    assert.equal(contexts.current?.id, 'p3');
  });

  it('an event that does not say which context it opens leaves the model unsure', () => {
    const contexts = new HeldContexts();
    assert.equal(contexts.apply(message('Patient-open', [], 1), nothing).kind, 'unreadable');
    assert.equal(contexts.whole, false);
    contexts.apply(message('Patient-open', [element('Patient', 'p')], 2), nothing);
    assert.equal(contexts.whole, true);
  });

  it('keeps no more open anchors than it needs, whatever is never closed', () => {
    const contexts = new HeldContexts();
    for (let at = 0; at < 1000; at++)
      contexts.apply(message('Patient-open', [element('Patient', `p${at}`)], at), nothing);
    assert.equal(contexts.model.anchors.get('Patient/p900'), undefined);
    assert.equal(contexts.model.anchors.get('Patient/p999')?.key.id, 'p999');
  });
});

describe('updates without a version', () => {
  const content = [{ resourceType: 'Observation', id: 'o' }];
  const report = [element('DiagnosticReport', 'r', 'report')];
  const updates = { resourceType: 'Bundle', entry: [{ request: { method: 'PUT' }, resource: content[0] }] };
  const update = message(
    'DiagnosticReport-update',
    [
      { key: 'report', reference: { reference: 'DiagnosticReport/r' } },
      { key: 'updates', resource: updates },
    ],
    2,
  );
  const opened = (reads: () => boolean): HeldContexts => {
    const contexts = new HeldContexts();
    contexts.apply(message('DiagnosticReport-open', report, 1), reads);
    contexts.compare(reading('DiagnosticReport', '', report), everything, true);
    return contexts;
  };

  it('CON-8 may follow on one that was lost: the content is read from the Hub, where it can be read', () => {
    const contexts = opened(everything);
    assert.equal(contexts.whole, true);
    contexts.apply(update, everything);
    assert.equal(contexts.whole, false);
    assert.equal(contexts.compare(reading('DiagnosticReport', '', report, content), everything, true), 'same');
    assert.equal(contexts.whole, true);
  });

  it('CON-8 are taken as they come from a Hub that cannot be read', () => {
    const contexts = opened(nothing);
    contexts.apply(update, nothing);
    assert.equal(contexts.whole, true);
  });
});

describe('readings', () => {
  it('DER-1 CON-6 a context whose open is not granted is taken for what derives from it', () => {
    const contexts = new HeldContexts();
    const receives = (name: string) => name === 'Patient-open';
    contexts.apply(message('Patient-open', [element('Patient', 'p')], 1, version('v1')), nothing);
    const report = reading('DiagnosticReport', 'v9', [
      element('DiagnosticReport', 'r', 'report'),
      element('Patient', 'p'),
    ]);
    assert.equal(contexts.compare(report, receives, true), 'same');
    const other = reading('DiagnosticReport', 'v9', [
      element('DiagnosticReport', 'r', 'report'),
      element('Patient', 'q'),
    ]);
    assert.equal(contexts.compare(other, receives, true), 'differs');
    contexts.adopt(other, receives);
    assert.equal(contexts.current?.id, 'q');
  });

  it('one from before the last event is recognized as past', () => {
    const contexts = new HeldContexts();
    contexts.apply(message('Patient-open', [element('Patient', 'p1')], 1, version('v1')), nothing);
    contexts.apply(message('Patient-open', [element('Patient', 'p2')], 2, version('v2')), nothing);
    assert.equal(contexts.compare(reading('Patient', 'v1', [element('Patient', 'p1')]), everything, true), 'past');
    assert.equal(contexts.compare(reading('Patient', 'v3', [element('Patient', 'p3')]), everything, true), 'differs');
    assert.equal(contexts.compare(reading('Patient', 'v2', [element('Patient', 'p2')]), everything, true), 'same');
  });

  it('an open that came late and took the context back is not taken for the newest', () => {
    const contexts = new HeldContexts();
    const p1 = [element('Patient', 'p1')];
    contexts.adopt(reading('Patient', 'v2', p1), everything);
    contexts.apply(message('Patient-open', p1, 1, version('v1')), nothing);
    for (const quiet of [true, false]) {
      assert.equal(contexts.compare(reading('Patient', 'v2', p1), everything, quiet), 'past');
    }
  });

  it('one that updates have led on from agrees, if they came while it was under way', () => {
    const contexts = new HeldContexts();
    const r = [element('DiagnosticReport', 'r', 'report')];
    contexts.apply(message('DiagnosticReport-open', r, 1, version('v1')), nothing);
    const updates = [...r, { key: 'updates', resource: { resourceType: 'Bundle', entry: [] } }];
    contexts.apply(message('DiagnosticReport-update', updates, 2, version('v2', 'v1')), nothing);
    const before = reading('DiagnosticReport', 'v1', r);
    assert.equal(contexts.compare(before, everything, false), 'same');
    assert.equal(contexts.compare(before, everything, true), 'past');
    contexts.reconnected(false);
    assert.equal(contexts.compare(before, everything, false), 'differs');
  });

  it('the event of a context that a reading told already is known', () => {
    const contexts = new HeldContexts();
    contexts.adopt(reading('Patient', 'v1', [element('Patient', 'p1')]), everything);
    assert.equal(contexts.awaiting, true);
    const late = message('Patient-open', [element('Patient', 'p1')], 1, version('v1'));
    assert.equal(contexts.apply(late, nothing).kind, 'known');
    assert.equal(contexts.awaiting, false);
  });
});

describe('content', () => {
  interface Put {
    readonly id: string;
    readonly value: number | undefined;
  }
  const put: fc.Arbitrary<Put> = fc.record({
    id: fc.constantFrom('a', 'b', 'c'),
    value: fc.option(fc.nat(9), { nil: undefined }),
  });
  const report = [element('DiagnosticReport', 'r', 'report')];
  const observation = (id: string, value: number) => ({ resourceType: 'Observation', id, valueInteger: value });
  const update = ({ id, value }: Put, at: number) => {
    const entry =
      value === undefined
        ? { fullUrl: `https://fhir.example/Observation/${id}`, request: { method: 'DELETE' } }
        : { request: { method: 'PUT' }, resource: observation(id, value) };
    return message(
      'DiagnosticReport-update',
      [
        { key: 'report', reference: { reference: 'DiagnosticReport/r' } },
        { key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction', entry: [entry] } },
      ],
      at + 1,
      version(`v${at + 1}`, `v${at}`),
    );
  };

  it('CON-2 equals the Hub, whenever during the updates it is read and whatever part of them the reading holds', () => {
    fc.assert(
      fc.property(fc.array(put, { maxLength: 8 }), fc.nat(8), fc.nat(8), (puts, readAt, heardAt) => {
        const truths: Map<string, object>[] = [new Map()];
        for (const { id, value } of puts) {
          const next = new Map(truths.at(-1));
          if (value === undefined) next.delete(id);
          else next.set(id, observation(id, value));
          truths.push(next);
        }
        const told = Math.min(readAt, puts.length);
        const heard = Math.min(heardAt, puts.length);
        const contexts = new HeldContexts();
        const verdict = contexts.apply(message('DiagnosticReport-open', report, 0, version('v0')), everything);
        assert.ok(verdict.kind === 'news' && verdict.uncertainty);
        const shared = [...(truths[told]?.values() ?? [])];
        const read = reading('DiagnosticReport', `v${told}`, report, shared);
        for (const [at, one] of puts.slice(0, heard).entries()) contexts.apply(update(one, at), everything);
        const comparison = contexts.compare(read, everything, false);
        if (told <= heard) assert.equal(comparison, 'same');
        else contexts.adopt(read, everything);
        for (const [at, one] of puts.entries()) {
          if (at >= heard && at >= told) contexts.apply(update(one, at), everything);
        }
        const values = [...(contexts.content?.values() ?? [])].sort((a, b) => (String(a.id) < String(b.id) ? -1 : 1));
        const wanted = [...(truths.at(-1)?.values() ?? [])].sort((a, b) =>
          JSON.stringify(a) < JSON.stringify(b) ? -1 : 1,
        );
        assert.deepEqual(values, wanted);
      }),
    );
  });

  it('is unknown rather than wrong when an update is missing', () => {
    const contexts = new HeldContexts();
    contexts.apply(message('DiagnosticReport-open', report, 0, version('v0')), nothing);
    contexts.apply(update({ id: 'a', value: 1 }, 0), nothing);
    assert.equal(contexts.content?.size, 1);
    const verdict = contexts.apply(update({ id: 'b', value: 1 }, 5), nothing);
    assert.ok(verdict.kind === 'news' && verdict.uncertainty);
    assert.equal(contexts.content, undefined);
    assert.equal(contexts.whole, false);
  });
});
