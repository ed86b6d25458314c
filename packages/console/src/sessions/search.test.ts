import assert from 'node:assert/strict';
import test from 'node:test';
import type { LogLine, TimelineEntry } from '../api.ts';
import { foundBy } from './search.ts';

const NAMES = new Map([
  ['sample-viewer', 'Image viewer'],
  ['ehr', 'Ärztliche Übersicht'],
]);

const ENTRIES: readonly TimelineEntry[] = [
  { seq: 1, at: 1, kind: 'session-started' },
  { seq: 2, at: 2, kind: 'subscribed', subscriber: 'Desktop PACS', events: ['Encounter-open'] },
  { seq: 3, at: 3, kind: 'published', eventId: 'event-1', event: 'Patient-open', clientId: 'sample-viewer' },
  { seq: 4, at: 4, kind: 'delivered', eventId: 'event-1', event: 'Patient-open', subscriber: 'Desktop PACS' },
  { seq: 5, at: 5, kind: 'answered', eventId: 'event-1', subscriber: 'Desktop PACS', status: 409 },
  { seq: 6, at: 6, kind: 'published', eventId: 'event-2', event: 'ImagingStudy-open', clientId: 'ehr' },
  { seq: 7, at: 7, kind: 'answered', eventId: 'event-2', subscriber: 'Report writer', status: 200 },
  { seq: 8, at: 8, kind: 'refused', event: 'Home-open', clientId: 'unknown', status: 400, reason: 'not-json' },
];

const patient = { reference: 'Patient/priya-raman' };
const message = (id: string, name: string, context: LogLine['message']['event']['context']): LogLine['message'] => ({
  timestamp: '2026-11-02T09:00:00Z',
  id,
  event: { 'hub.topic': 'topic', 'hub.event': name, context },
});
const LOG: readonly LogLine[] = [
  {
    number: 1,
    at: 3,
    message: message('event-1', 'Patient-open', [
      { key: 'patient', resource: { resourceType: 'Patient', id: 'amara-diallo' } },
    ]),
  },
  {
    number: 2,
    at: 6,
    message: message('event-2', 'ImagingStudy-open', [
      { key: 'study', resource: { resourceType: 'ImagingStudy', id: 'ct-1', subject: patient } },
      { key: 'patient', reference: [patient] },
    ]),
  },
];

const found = (query: string): readonly number[] => foundBy(ENTRIES, query, LOG, NAMES).map(({ seq }) => seq);

test('an entry is found by its event, what the event is about, its ids, applications and reasons', () => {
  for (const [query, expected] of [
    ['', [1, 2, 3, 4, 5, 6, 7, 8]],
    ['  ', [1, 2, 3, 4, 5, 6, 7, 8]],
    // With what became of it.
    ['patient-OPEN', [3, 4, 5]],
    ['event-2', [6, 7]],
    ['amara', [3, 4, 5]],
    ['ImagingStudy/ct-1', [6, 7]],
    ['priya', [6, 7]],
    ['image viewer', [3]],
    ['ubersicht', [6]],
    ['ehr', [6]],
    ['pacs', [2, 4, 5]],
    ['pacs 409', [5]],
    ['409 PACS', [5]],
    ['encounter', [2]],
    ['not-json', [8]],
    ['unknown', [8]],
    ['nobody', []],
    ['constructor', []],
    ['(.*', []],
  ] as const) {
    assert.deepEqual(found(query), expected, query);
  }
});

test('what JSON of others has in place of texts is no error, and finds nothing', () => {
  const odd = { toString: 1 } as unknown as string;
  const entries: readonly TimelineEntry[] = [
    { seq: 1, at: 1, kind: 'published', eventId: 'e', event: odd, clientId: odd, subscriber: odd },
  ];
  const log = [
    { number: 1, at: 1, message: message('e', odd, [{ key: odd, resource: { resourceType: odd, id: odd } }]) },
  ];
  assert.deepEqual(foundBy(entries, 'object', log, NAMES), []);
});

test('ten thousand entries are read once, however often one searches', () => {
  let reads = 0;
  const entries = Array.from({ length: 10_000 }, (_, index) => {
    const entry = { seq: index, at: index, kind: 'answered', subscriber: 'Busy', status: 200 } as TimelineEntry;
    return Object.defineProperty({ ...entry }, 'events', {
      get: () => ({
        *[Symbol.iterator]() {
          reads += 1;
          yield `event-${index}`;
        },
      }),
    }) as TimelineEntry;
  });
  for (const query of ['b', 'bu', 'bus', 'busy', 'busy event-77']) foundBy(entries, query, [], NAMES);
  assert.equal(reads, 10_000);
});
