import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  chartOf,
  type Desk,
  EMPTY,
  isShown,
  shownChart,
  withChart,
  withClosed,
  withDraft,
  withNothing,
  withoutChart,
  withoutRequest,
  withRefusal,
  withRequest,
  withSessionEnded,
} from './desk.ts';

const patient = (id: string) => ({ resourceType: 'Patient', id, name: [{ text: id.toUpperCase() }] });
const study = { resourceType: 'ImagingStudy', id: 's' };
const [A, B] = [patient('a'), patient('b')];
const of = (id: string) => ({ type: 'Patient', id });
const open = (desk: Desk, one: typeof A) => withChart(desk, of(one.id), one);

test('HZ-1 asking for another patient does not change the chart; a failure leaves the old one', () => {
  const desk = open(EMPTY, A);
  const asked = withRequest(desk, 1, 'Open B');
  assert.equal(shownChart(asked)?.patient.id, 'a');
  const failed = withRefusal(asked, 1, 'the Hub answered 503');
  assert.equal(shownChart(failed)?.patient.id, 'a');
  assert.deepEqual(failed.pending, { number: 1, what: 'Open B', state: 'failed', reason: 'the Hub answered 503' });
  assert.equal(isShown(failed, of('a')), true);
  assert.equal(isShown(failed, of('b')), false);
  assert.equal(withoutRequest(failed).pending, undefined);
});

test('HZ-1 the answer to an older request changes nothing about the newer', () => {
  const asked = withRequest(withRequest(EMPTY, 1, 'Open A'), 2, 'Open B');
  assert.equal(withRefusal(asked, 1, 'late'), asked);
  assert.equal(withoutRequest(asked, 1), asked);
  assert.equal(withoutRequest(asked, 2).pending, undefined);
});

test('HZ-4 nothing is shown when nothing is open: home, close of what is shown, end of the session', () => {
  const desk = open(open(EMPTY, A), B);
  for (const after of [withNothing(desk), withClosed(desk, 'Patient/b'), withSessionEnded(desk)]) {
    assert.deepEqual(after.shown, { kind: 'nothing' });
    assert.equal(isShown(after, undefined), true);
    assert.equal(isShown(after, of('b')), false);
  }
  assert.equal(withNothing(desk).tabs.length, 2, 'home closes no patient');
  assert.deepEqual(
    withClosed(desk, 'Patient/b').tabs.map((tab) => tab.patient.id),
    ['a'],
  );
  assert.equal(withSessionEnded(desk).tabs.length, 0);
  assert.equal(shownChart(withClosed(desk, 'Patient/a'))?.patient.id, 'b', 'closing another patient leaves it');
});

test('HZ-5 a patient whom the record lacks is no chart, and is not the session shown', () => {
  const desk = withoutChart(open(EMPTY, A), { kind: 'not-in-record', of: of('x'), patient: patient('x') });
  assert.equal(shownChart(desk), undefined);
  assert.equal(isShown(desk, of('x')), false);
});

test('HZ-15 an unsaved note outlives its tab and its session', () => {
  const desk = withDraft(open(EMPTY, A), A, 'half a thought');
  for (const after of [withClosed(desk, 'Patient/a'), withNothing(desk), withSessionEnded(desk), open(desk, B)])
    assert.equal(after.drafts.get('a')?.text, 'half a thought');
  assert.equal(withDraft(desk, A, '').drafts.size, 0);
});

test('what is open of a patient is kept with the chart until it is closed', () => {
  const desk = withChart(open(EMPTY, A), { type: 'ImagingStudy', id: 's' }, A, study);
  assert.deepEqual([...(chartOf(desk, 'a')?.open.keys() ?? [])], ['ImagingStudy/s']);
  assert.equal(isShown(desk, { type: 'ImagingStudy', id: 's' }), true);
  assert.equal(isShown(desk, of('a')), false, 'the same person in another context is another context');
  assert.equal(chartOf(withClosed(desk, 'ImagingStudy/s'), 'a')?.open.size, 0);
});

test('HZ-1 whatever happens, a chart is on the screen only for the context that was followed last', () => {
  const ids = fc.constantFrom('a', 'b', 'c');
  const step = fc.oneof(
    ids.map((id) => ({ do: 'open' as const, id })),
    ids.map((id) => ({ do: 'close' as const, id })),
    ids.map((id) => ({ do: 'missing' as const, id })),
    fc.constant({ do: 'home' as const, id: '' }),
    fc.constant({ do: 'logout' as const, id: '' }),
    ids.map((id) => ({ do: 'ask' as const, id })),
    fc.constant({ do: 'fail' as const, id: '' }),
    fc.constant({ do: 'give-up' as const, id: '' }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let desk = EMPTY;
      let followed: string | undefined;
      let requests = 0;
      for (const one of steps) {
        if (one.do === 'open') [desk, followed] = [open(desk, patient(one.id)), one.id];
        if (one.do === 'close') {
          desk = withClosed(desk, `Patient/${one.id}`);
          if (followed === one.id) followed = undefined;
        }
        if (one.do === 'missing') {
          desk = withoutChart(desk, { kind: 'not-in-record', of: of(one.id) });
          followed = undefined;
        }
        if (one.do === 'home') [desk, followed] = [withNothing(desk), undefined];
        if (one.do === 'logout') [desk, followed] = [withSessionEnded(desk), undefined];
        if (one.do === 'ask') desk = withRequest(desk, ++requests, `Open ${one.id}`);
        if (one.do === 'fail') desk = withRefusal(desk, requests, 'no answer');
        if (one.do === 'give-up') desk = withoutRequest(desk);
        assert.equal(shownChart(desk)?.patient.id, followed);
        for (const id of ['a', 'b', 'c']) assert.equal(isShown(desk, of(id)), id === followed);
      }
    }),
  );
});
