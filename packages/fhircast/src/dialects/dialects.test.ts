import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { eventDefinition, STANDARD_EVENTS } from '../catalog.ts';
import { isObject, type JsonObject } from '../messages.ts';
import { parseEvent } from '../validate.ts';
import {
  DIALECTS,
  type DialectSwitches,
  dialectProblem,
  dialectsOf,
  fromDialects,
  listedAnchors,
  nameIn,
  nameOut,
  type OpenAnchor,
  type OpenAnchors,
} from './index.ts';

const STUDY = {
  resourceType: 'ImagingStudy',
  id: 's1',
  identifier: [{ system: 'https://ris.example', value: 'A1' }],
};
const PATIENT = { resourceType: 'Patient', id: 'p1', identifier: [{ system: 'https://mrn.example', value: '4711' }] };
const REPORT = { resourceType: 'DiagnosticReport', id: 'r1', status: 'partial' };

const reportAnchor: OpenAnchor = {
  type: 'DiagnosticReport',
  id: 'r1',
  versionId: 'v7',
  context: [
    { key: 'report', resource: REPORT },
    { key: 'patient', resource: PATIENT },
    { key: 'study', resource: STUDY },
  ],
};
const patientAnchor: OpenAnchor = {
  type: 'Patient',
  id: 'p9',
  versionId: 'v9',
  context: [{ key: 'patient', resource: { resourceType: 'Patient', id: 'p9' } }],
};
const NOTHING: OpenAnchors = listedAnchors([], undefined);
const REPORT_OPEN: OpenAnchors = listedAnchors([patientAnchor, reportAnchor], reportAnchor);

function rewrite(switches: DialectSwitches, name: string, context: readonly JsonObject[], open = NOTHING, more = {}) {
  const event = { 'hub.topic': 't', 'hub.event': name, ...more, context };
  return fromDialects(dialectsOf(switches), event, open);
}

function contextOf(outcome: ReturnType<typeof rewrite>): readonly JsonObject[] {
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.reason);
  return outcome.event.context as readonly JsonObject[];
}

const REPORTS = { dialects: ['studyReports'] };
const SELECTIONS = { dialects: 'ballotSelections' };

describe('studyReports: reports that are known by their study alone', () => {
  it('an open with study elements alone gets a report, and the same one again', () => {
    const [first] = contextOf(rewrite(REPORTS, 'DiagnosticReport-open', [{ key: 'study', resource: STUDY }]));
    assert.deepEqual(first, {
      key: 'report',
      resource: {
        resourceType: 'DiagnosticReport',
        id: 'report-of-s1',
        status: 'unknown',
        identifier: STUDY.identifier,
      },
    });
    const again = contextOf(rewrite(REPORTS, 'DiagnosticReport-open', [{ key: 'study', resource: STUDY }]));
    assert.deepEqual(again[0], first);
  });

  it('its patient is that of the study, never another one who is open', () => {
    const keys = (open: OpenAnchors, study: JsonObject = STUDY) =>
      contextOf(rewrite(REPORTS, 'DiagnosticReport-open', [{ key: 'study', resource: study }], open)).map(
        ({ key, resource }) => [key, (resource as JsonObject).id],
      );
    const other = listedAnchors([patientAnchor], patientAnchor);
    assert.deepEqual(keys(other), [
      ['report', 'report-of-s1'],
      ['study', 's1'],
    ]);
    const subject = { ...STUDY, id: 's2', identifier: [], subject: { reference: 'Patient/p5' } };
    assert.deepEqual(keys(other, subject), [
      ['report', 'report-of-s2'],
      ['patient', 'p5'],
      ['study', 's2'],
    ]);
    const sameAccession = { ...STUDY, id: 'elsewhere' };
    assert.deepEqual(keys(REPORT_OPEN, sameAccession), [
      ['report', 'r1'],
      ['patient', 'p1'],
      ['study', 'elsewhere'],
    ]);
  });

  it('a study is known by an identifier of its system and type; a bare number may be anybody’s', () => {
    const acsn = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'ACSN' }] };
    const plac = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'PLAC' }] };
    const ris = 'https://ris.example';
    for (const [open, asked, same] of [
      [{ system: ris, value: 'A1' }, { system: ris, value: 'A1' }, true],
      [{ system: ris, value: 'A1', type: acsn }, { system: ris, value: 'A1' }, true],
      [{ system: ris, value: 'A1', type: acsn }, { system: ris, value: 'A1', type: acsn }, true],
      [{ system: ris, value: 'A1', type: acsn }, { system: ris, value: 'A1', type: plac }, false],
      [{ system: ris, value: 'A1' }, { system: ris, value: 'A2' }, false],
      [{ system: ris, value: 'A1' }, { value: 'A1' }, false],
      [{ value: 'A1', type: acsn }, { value: 'A1', type: acsn }, true],
      [{ value: 'A1', type: acsn }, { value: 'A1', type: plac }, false],
      [{ value: '1' }, { value: '1' }, false],
      [{ system: ris, value: '' }, { system: ris, value: '' }, false],
      [{ system: ris }, { system: ris }, false],
    ] as const) {
      const held = { ...STUDY, identifier: [open] };
      const anchor = {
        ...reportAnchor,
        context: [...reportAnchor.context.slice(0, 2), { key: 'study', resource: held }],
      };
      const study = { resourceType: 'ImagingStudy', id: 'elsewhere', identifier: [asked] };
      const [report] = contextOf(
        rewrite(REPORTS, 'DiagnosticReport-open', [{ key: 'study', resource: study }], listedAnchors([anchor], anchor)),
      );
      const { id } = report!.resource as JsonObject;
      assert.equal(id, same ? 'r1' : 'report-of-elsewhere', JSON.stringify([open, asked]));
    }
  });

  it('an open that has its report stays as it is', () => {
    const context = [
      { key: 'report', resource: REPORT },
      { key: 'patient', resource: PATIENT },
    ];
    assert.deepEqual(contextOf(rewrite(REPORTS, 'DiagnosticReport-open', context)), context);
  });

  it('an update of POST entries without report or version is for the report that is current', () => {
    const observation = { resourceType: 'Observation', id: 'o1', valueQuantity: { value: 7.1 } };
    const urn = { resourceType: 'Observation', status: 'final' };
    const entry = [
      { request: { method: 'POST', url: 'Observation' }, resource: observation },
      { fullUrl: 'urn:uuid:6a1e', request: { method: 'POST' }, resource: urn },
      { fullUrl: 'urn:uuid:6a1f', request: { method: 'DELETE' } },
    ];
    const updates = { key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction', entry } };
    const outcome = rewrite(REPORTS, 'DiagnosticReport-update', [updates], REPORT_OPEN);
    assert.ok(outcome.ok && outcome.event['context.versionId'] === 'v7');
    const [report, bundle] = contextOf(outcome);
    assert.deepEqual(report, { key: 'report', reference: { reference: 'DiagnosticReport/r1' } });
    const entries = (bundle!.resource as { entry: JsonObject[] }).entry;
    assert.deepEqual(
      entries.map((one) => (one.request as JsonObject).url),
      ['Observation/o1', 'Observation/6a1e', undefined],
    );
    assert.equal(entries[0]?.resource, observation, 'a resource that needs no change is the given one');
    assert.deepEqual(entries[1]?.resource, { ...urn, id: '6a1e' });
  });

  it('a whole report on signing becomes an update of that report', () => {
    const signed = { ...REPORT, status: 'final', conclusion: 'normal' };
    const outcome = rewrite(REPORTS, 'DiagnosticReport-update', [{ key: 'report', resource: signed }], REPORT_OPEN);
    const [, bundle] = contextOf(outcome);
    assert.deepEqual((bundle!.resource as { entry: unknown }).entry, [
      { request: { method: 'PUT', url: 'DiagnosticReport/r1' }, resource: signed },
    ]);
  });

  it('a close that names the study, or nothing, is of the report that is meant', () => {
    for (const context of [[], [{ key: 'study', resource: STUDY }]]) {
      const [report] = contextOf(rewrite(REPORTS, 'DiagnosticReport-close', context, REPORT_OPEN));
      assert.equal(report, reportAnchor.context[0]);
    }
  });

  it('what fits no rewrite is refused with dialect and field', () => {
    const entryOf = (entry: unknown) => [
      { key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction', entry: [entry] } },
    ];
    const cases: [string, JsonObject[], OpenAnchors, RegExp][] = [
      [
        'DiagnosticReport-open',
        [{ key: 'study', resource: { resourceType: 'ImagingStudy' } }],
        NOTHING,
        /"study".*"id"/,
      ],
      [
        'DiagnosticReport-update',
        entryOf({ resource: { resourceType: 'Observation', id: 'a' } }),
        NOTHING,
        /no report is current/,
      ],
      [
        'DiagnosticReport-update',
        entryOf({ resource: { resourceType: 'Observation', id: 'a' } }),
        listedAnchors([patientAnchor, reportAnchor], patientAnchor),
        /no report is current/,
      ],
      [
        'DiagnosticReport-update',
        entryOf({ resource: { resourceType: 'Observation' } }),
        REPORT_OPEN,
        /entry\[0\]\.resource\.id/,
      ],
      ['DiagnosticReport-update', entryOf('x'), REPORT_OPEN, /entry\[0\] must be an object/],
      [
        'DiagnosticReport-update',
        [{ key: 'report', reference: { reference: 'DiagnosticReport/r2' } }],
        REPORT_OPEN,
        /not open/,
      ],
      ['DiagnosticReport-update', [], REPORT_OPEN, /neither "updates" nor a whole report/],
      ['DiagnosticReport-close', [], NOTHING, /neither the report nor a study/],
    ];
    for (const [name, context, open, reason] of cases) {
      const outcome = rewrite(REPORTS, name, context, open);
      assert.ok(!outcome.ok, JSON.stringify(context));
      assert.match(outcome.reason, /^The dialect studyReports: event\.context/);
      assert.match(outcome.reason, reason);
    }
  });
});

describe('what several readings fit is refused, never guessed', () => {
  const study = (id: string, more: JsonObject = {}) => ({ resourceType: 'ImagingStudy', id, ...more });
  const element = (key: string, resource: unknown): JsonObject => ({ key, resource });
  const anchor = (id: string, type: string, key: string, patient: string, ...studies: JsonObject[]): OpenAnchor => ({
    type,
    id,
    versionId: `v-${id}`,
    context: [
      { key, resource: { resourceType: type, id } },
      { key: 'patient', resource: { resourceType: 'Patient', id: patient } },
      ...studies.map((resource) => ({ key: 'study', resource: resource as JsonObject & { resourceType: string } })),
    ],
  });
  const one = anchor('r1', 'DiagnosticReport', 'report', 'p1', study('s1'), study('s2'));
  const two = anchor('r2', 'DiagnosticReport', 'report', 'p1', study('s2'), study('s3'));
  const other = anchor('n1', 'Encounter', 'encounter', 'p2', study('s1'));
  const of = (patient: string): JsonObject => ({ subject: { reference: `Patient/${patient}` } });
  const cases: readonly (readonly [string, readonly JsonObject[], readonly OpenAnchor[], RegExp])[] = [
    ['open', [element('study', study('s2'))], [one, two], /several open reports/],
    [
      'open',
      [element('study', study('s1', of('p1'))), element('study', study('s3', of('p2')))],
      [],
      /several patients/,
    ],
    ['open', [element('study', study('s1'))], [one, other], /several patients of the studies/],
    [
      'update',
      [element('study', study('s2')), element('report', REPORT)].slice(0, 1),
      [one, two],
      /several open reports/,
    ],
    ['update', [element('report', REPORT), element('report', REPORT)], [one], /"report".*once/],
    ['update', [element('updates', {}), element('updates', {})], [one], /"updates".*once/],
    ['close', [element('study', study('s1')), element('study', study('s3'))], [one, two], /several open reports/],
  ];
  for (const [action, context, all, reason] of cases) {
    it(`studyReports, ${action}: ${reason.source}`, () => {
      const outcome = rewrite(REPORTS, `DiagnosticReport-${action}`, context, listedAnchors(all, all.at(-1)));
      assert.ok(!outcome.ok);
      assert.match(outcome.reason, /^The dialect studyReports: event\.context, key "/);
      assert.match(outcome.reason, reason);
    });
  }

  it('ballotSelections: an element that selects in two ways', () => {
    const a = { resourceType: 'Observation', id: 'a' };
    const reference = { reference: 'Observation/b' };
    for (const element of [
      { key: 'select', resources: [a], reference },
      { key: 'select', resource: [a], reference },
      { key: 'select', resources: [a], resource: a },
    ]) {
      const outcome = rewrite(SELECTIONS, 'DiagnosticReport-select', [element]);
      assert.ok(!outcome.ok);
      assert.match(outcome.reason, /^The dialect ballotSelections: event\.context\[0\]\.resource/);
    }
  });
});

describe('ballotSelections', () => {
  const select = (element: JsonObject) => rewrite(SELECTIONS, 'DiagnosticReport-select', [element]);
  const a = { resourceType: 'Observation', id: 'a' };
  const b = { resourceType: 'Observation', id: 'b' };
  const references = [
    { key: 'select', reference: { reference: 'Observation/a' } },
    { key: 'select', reference: { reference: 'Observation/b' } },
  ];

  it('resources, arrays of resources and arrays of references become one reference each', () => {
    assert.deepEqual(contextOf(select({ key: 'select', resources: [a, b] })), references);
    assert.deepEqual(contextOf(select({ key: 'select', resource: [a, b] })), references);
    const written = [{ reference: 'Observation/a' }, { reference: 'Observation/b' }];
    assert.deepEqual(contextOf(select({ key: 'select', resources: written })), references);
  });

  it('an empty list selects nothing, and says so', () => {
    assert.deepEqual(contextOf(select({ key: 'select', resources: [] })), [{ key: 'select', reference: [] }]);
  });

  it('a list with something else in it is refused', () => {
    for (const wrong of [null, 'Observation/a', { resourceType: 'Observation' }, 7]) {
      const outcome = select({ key: 'select', resources: [a, wrong] });
      assert.ok(!outcome.ok);
      assert.match(outcome.reason, /^The dialect ballotSelections: event\.context\[0\]\.resources/);
    }
  });

  it('HZ-11 without the dialect a selection in other words is refused, not read as nothing selected', () => {
    for (const element of [
      { key: 'select', resources: [a] },
      { key: 'select', resource: [a] },
      { key: 'select', references: [{ reference: 'Observation/a' }] },
      { key: 'select', value: 'Observation/a' },
    ]) {
      const context = [{ key: 'report', reference: { reference: 'DiagnosticReport/r1' } }, element];
      const event = { 'hub.topic': 't', 'hub.event': 'DiagnosticReport-select', context };
      const read = parseEvent({ timestamp: '2026-01-01T00:00:00Z', id: '1', event });
      assert.ok(!read.ok, JSON.stringify(element));
      assert.match(read.reason, /select/);
    }
  });
});

describe('names', () => {
  it('participles are read and written, in any case', () => {
    const dialects = dialectsOf({ dialects: ['participleNames'] });
    assert.equal(nameIn(dialects, 'DiagnosticReport-Opened'), 'DiagnosticReport-open');
    assert.equal(nameIn(dialects, 'imagingstudy-closed'), 'imagingstudy-close');
    assert.equal(nameIn(dialects, 'SyncError'), 'SyncError');
    for (const name of STANDARD_EVENTS) assert.equal(nameIn(dialects, nameOut(dialects, name)), name);
  });

  it("a vendor's events pass under names that no other client can be granted by mistake", () => {
    const names = ['annotation-update', 'status-request', 'dicom-send', 'scene_view'];
    const dialects = dialectsOf({ vendorEvents: names });
    for (const name of names) {
      const inside = nameIn(dialects, name.toUpperCase());
      assert.match(inside, /^org\.lockstep\.vendor\./);
      assert.ok(eventDefinition(inside), `${inside} is an event in reverse domain notation`);
      assert.equal(nameOut(dialects, inside), name);
    }
    assert.equal(nameIn(dialects, 'other-request'), 'other-request');
    assert.equal(nameIn(dialectsOf({}), 'annotation-update'), 'annotation-update');
  });

  it('a registration names dialects and events that there can be', () => {
    assert.equal(dialectProblem({ dialects: 'studyReports, ballotSelections', vendorEvents: ['a-b'] }), undefined);
    assert.match(dialectProblem({ dialects: ['klingon'] }) ?? '', /no dialect klingon; there are participleNames/);
    for (const name of ['Patient-open', 'patient-OPEN', '-x', 'a b', 'x'.repeat(80)]) {
      assert.match(dialectProblem({ vendorEvents: [name] }) ?? '', /vendorEvents/, name);
    }
  });
});

/** JSON may name a member `toString`; making text of such an object throws. */
const NO_TEXT = { toString: 'no function', valueOf: null };

it('whatever is published, a dialect rewrites or refuses it, and leaves what is not its own', () => {
  const dialects = dialectsOf({ dialects: DIALECTS.map(({ name }) => name), vendorEvents: ['x-y'] });
  const element = fc.oneof(
    fc.record({
      key: fc.constantFrom('report', 'patient', 'study', 'select', 'updates'),
      resource: fc.oneof(
        fc.constantFrom(
          REPORT,
          PATIENT,
          STUDY,
          null,
          [],
          7,
          { ...STUDY, id: NO_TEXT },
          { resourceType: NO_TEXT, id: NO_TEXT },
        ),
        fc.array(fc.constantFrom(REPORT, null)),
      ),
    }),
    fc.constant({ key: NO_TEXT, resource: REPORT }),
    fc.jsonValue(),
  );
  const event = fc.record({
    'hub.event': fc.oneof(
      fc.constantFrom('DiagnosticReport-open', 'DiagnosticReport-updated', 'DiagnosticReport-close', 'Patient-select'),
      fc.constantFrom(NO_TEXT, [NO_TEXT]),
      fc.jsonValue(),
    ),
    context: fc.oneof(fc.array(element, { maxLength: 4 }), fc.jsonValue()),
  });
  fc.assert(
    fc.property(event, fc.constantFrom(NOTHING, REPORT_OPEN), (given, open) => {
      const outcome = fromDialects(dialects, given as JsonObject, open);
      if (!outcome.ok) return assert.match(outcome.reason, /^The dialect \w+: event/);
      assert.ok(isObject(outcome.event));
      const untouched = fromDialects([], given as JsonObject, open);
      assert.ok(untouched.ok && untouched.event === given);
    }),
    { numRuns: 500 },
  );
});
