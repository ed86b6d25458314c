import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Scopes } from '@lockstep/fhircast';
import { observation, patient, put, reference, remove, report, study, Trial, updates } from '../../test/events.ts';
import { applyParts, diffParts } from '../stored/session-record.ts';
import type { Made } from './commands.ts';
import { currentContext, currentContextJson } from './current-context.ts';
import { notFollowing } from './following.ts';
import { newcomersOpens } from './gap.ts';
import { PersistentMap } from './persistent-map.ts';

const FEW = 100;
const MANY = 10_000;

const MADE: Made = { eventId: 'made', timestamp: '2026-01-08T01:37:05.000Z' };
const LATEST = 'DiagnosticReport/latest';
const ABOUT_LATEST = reference('report', LATEST);
const OPENS_OF_REPORTS = 'DiagnosticReport-open';

/** A name that is as long for each number. */
const named = (index: number): string => `n${String(index).padStart(6, '0')}`;

/** Counts what the maps give out one by one while something runs: what it goes through, it pays for. */
function visited(run: () => void): number {
  const { prototype } = PersistentMap;
  const ways = ['entries', 'keys', 'values', 'latestFirst', 'under', 'differences'] as const;
  const originals = ways.map((way) => [way, Object.getOwnPropertyDescriptor(prototype, way) ?? {}] as const);
  let count = 0;
  for (const [way, original] of originals) {
    Object.defineProperty(prototype, way, {
      ...original,
      *value(...given: unknown[]) {
        for (const one of original.value.apply(this, given)) {
          count += 1;
          yield one;
        }
      },
    });
  }
  try {
    run();
  } finally {
    for (const [way, original] of originals) Object.defineProperty(prototype, way, original);
  }
  return count;
}

/** A session with so many contexts open, of which the latest has content, and so much content in it. */
function session(contexts: number, content: number): Trial {
  const trial = new Trial();
  trial.subscribe('follows');
  trial.decide({ kind: 'connect', id: 'follows', node: 'n' });
  trial.subscribe('silent', { 'hub.events': OPENS_OF_REPORTS });
  trial.decide({ kind: 'connect', id: 'silent', node: 'n' });
  trial.accepted('ImagingStudy-open', [study(), patient()]);
  for (let index = 0; index < contexts; index += 1)
    trial.accepted('DiagnosticReport-open', [report(named(index)), patient()]);
  trial.accepted('DiagnosticReport-open', [report('latest'), patient()]);
  const entries = Array.from({ length: content }, (_, index) =>
    put(observation(named(index)), `urn:x:${named(index)}`),
  );
  trial.accepted(
    'DiagnosticReport-update',
    [ABOUT_LATEST, updates(put(observation('kept'), 'urn:x:kept'), ...entries)],
    {
      'context.versionId': trial.version(LATEST),
    },
  );
  const about = { id: 'x', number: trial.state.changedBy, originalId: 'x', originalName: OPENS_OF_REPORTS, sentAt: 0 };
  trial.decide({
    kind: 'no-answer',
    id: 'silent',
    about,
    misses: 0,
    due: false,
    followed: trial.state.changedBy - 1,
    ...MADE,
  });
  return trial;
}

const update = (trial: Trial, ...entries: Parameters<typeof updates>): unknown =>
  trial.accepted('DiagnosticReport-update', [ABOUT_LATEST, updates(...entries)], {
    'context.versionId': trial.version(LATEST),
  });

/** The answer to the latest change, from one who did not follow before. */
const answer = (trial: Trial): unknown => {
  const { changedBy: number } = trial.state;
  const about = { id: 'x', number, originalId: 'x', originalName: OPENS_OF_REPORTS, sentAt: 0 };
  return trial.decide({ kind: 'answer', id: 'silent', about, outcome: 'followed', how: 'x', ...MADE });
};

const everything = new Scopes('fhircast/*.*');

/** Whatever happens in a session, or is asked of it, but for what ends or lists all of its contexts. */
const STEPS: Readonly<Record<string, (trial: Trial) => unknown>> = {
  'PUB-8 an open': (trial) => trial.accepted('DiagnosticReport-open', [report('another'), patient()]),
  'PUB-8 an open of what is open': (trial) => trial.accepted('DiagnosticReport-open', [report(named(7)), patient()]),
  'PUB-9 a close of the current context': (trial) => trial.accepted('ImagingStudy-close', [study(), patient()]),
  'PUB-9 a close of another context': (trial) =>
    trial.accepted('DiagnosticReport-close', [report(named(3)), patient()]),
  'PUB-10 Home-open': (trial) => trial.accepted('Home-open', []),
  'PUB-11 an event about what is not open': (trial) =>
    trial.refused('DiagnosticReport-close', [report('none'), patient()]),
  'CON-2 an update that adds': (trial) => update(trial, put(observation('new'), 'urn:x:new')),
  'CON-2 an update that replaces, by its full URL': (trial) => update(trial, put(observation('kept', 2), 'urn:x:kept')),
  'CON-3 an update that deletes': (trial) => update(trial, remove('Observation/kept')),
  'CON-8 an update of an old version': (trial) =>
    trial.refused('DiagnosticReport-update', [ABOUT_LATEST, updates()], { 'context.versionId': 'old' }),
  'CON-7 a selection': (trial) =>
    trial.accepted('DiagnosticReport-select', [
      ABOUT_LATEST,
      { key: 'select', reference: [{ reference: 'Observation/kept' }] },
    ]),
  'PUB-14 an update about another patient': (trial) =>
    trial.accepted('DiagnosticReport-update', [ABOUT_LATEST, updates(put({ resourceType: 'Patient', id: 'p1' }))], {
      'context.versionId': trial.version(LATEST),
    }),
  'ERR-2 an answer': answer,
  'ERR-2 an answer to an earlier event': (trial) => {
    trial.accepted('ImagingStudy-open', [study('s2'), patient()]);
    return answer(trial);
  },
  'ERR-2 a refusal': (trial) => {
    const about = { id: 'x', number: 5, originalId: 'x', originalName: OPENS_OF_REPORTS, sentAt: 0 };
    return trial.decide({ kind: 'answer', id: 'follows', about, outcome: 'refused', how: 'x', ...MADE });
  },
  'ERR-4 no answer': (trial) => {
    const about = { id: 'x', number: 5, originalId: 'x', originalName: OPENS_OF_REPORTS, sentAt: 0 };
    return trial.decide({ kind: 'no-answer', id: 'follows', about, misses: 3, due: true, ...MADE });
  },
  'ERR-8 who does not follow': (trial) => {
    const silent = notFollowing(trial.state, () => true).find(({ name }) => name === 'App silent');
    assert.match(silent?.shows ?? '', /^DiagnosticReport.n/);
  },
  'SUB-1 a subscription, its connection, what it is sent': (trial) => {
    trial.join('newcomer');
    return newcomersOpens(trial.state, MADE);
  },
  'SUB-6 a renewal with other events': (trial) =>
    trial.subscribe('x', {
      'hub.channel.endpoint': 'wss://x/silent',
      'hub.events': 'DiagnosticReport-open,Patient-open',
    }),
  'SUB-7 a connection that comes back': (trial) => {
    trial.decide({ kind: 'disconnect', node: 'n', closed: [{ id: 'silent', code: 1006 }], ...MADE });
    return trial.decide({ kind: 'connect', id: 'silent', node: 'n' });
  },
  'SUB-9 an end': (trial) => trial.decide({ kind: 'deny', ids: ['follows'], reason: 'x' }),
  'ERR-3 time that passes': (trial) => {
    trial.now += 86_400_000;
    return trial.decide({ kind: 'elapse', node: 'n', ...MADE });
  },
  'CON-5 the current context': (trial) =>
    currentContextJson(currentContext(trial.state, (event) => everything.mayReceive(event), trial.profile)),
};

/** What a step goes through, deciding it, storing it and following it at another node, and the bytes that are stored. */
function cost(trial: Trial, step: (trial: Trial) => unknown): { readonly visited: number; readonly bytes: number } {
  const [before, now] = [trial.state, trial.now];
  let bytes = 0;
  const count = visited(() => {
    step(trial);
    const parts = diffParts(before, trial.state);
    applyParts(before, parts);
    for (const [part, text] of parts) bytes += part.length + (text ?? '').length;
  });
  Object.assign(trial, { state: before, now });
  return { visited: count, bytes };
}

describe('what happens costs no more in a session', () => {
  const few = session(FEW, 1);
  const manyContexts = session(MANY, 1);
  const muchContent = session(FEW, MANY);
  for (const [name, step] of Object.entries(STEPS)) {
    it(`with many contexts: ${name}`, () => {
      const [one, other] = [cost(few, step), cost(manyContexts, step)];
      assert.equal(other.visited, one.visited);
      // Numbers of events have more digits.
      assert.ok(other.bytes <= one.bytes + 40, `${other.bytes} bytes stored, not ${one.bytes}`);
    });
    // Who asks for the content is given all of it.
    if (!name.startsWith('CON-5')) {
      it(`with much shared content: ${name}`, () => {
        const [one, other] = [cost(few, step), cost(muchContent, step)];
        assert.equal(other.visited, one.visited);
        assert.ok(other.bytes <= one.bytes + 40, `${other.bytes} bytes stored, not ${one.bytes}`);
      });
    }
  }
});
