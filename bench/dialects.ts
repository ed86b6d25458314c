/**
 * What a dialect costs: the work between the body of a published event and an event of 3.0.0, in this process. Rounds with and
 * without the dialect take turns, so that what else the machine does meets both alike.
 */
import process from 'node:process';
import {
  type DialectSwitches,
  dialectsOf,
  EVENT_TEXT,
  type ExactJson,
  fromDialects,
  isObject,
  type JsonObject,
  listedAnchors,
  madeOf,
  type OpenAnchors,
  parseEvent,
  readExact,
} from '@lockstep/fhircast';
import { median } from './measure.ts';
import type { Row, Scenario } from './scenario.ts';

const ROUNDS = 41;
const MESSAGES = 400;
/** µs a message. */
const LIMIT = 30;
/** µs a message by which two measurements of the same thing may differ. */
const NOISE = 2;

const STUDY = {
  resourceType: 'ImagingStudy',
  id: 's1',
  identifier: [{ system: 'https://ris.example', value: 'A1' }],
  subject: { reference: 'Patient/p1' },
};
const PATIENT = { resourceType: 'Patient', id: 'p1', identifier: [{ system: 'https://mrn.example', value: '4711' }] };
const REPORT = { resourceType: 'DiagnosticReport', id: 'r1', status: 'partial' };
const ANCHOR = {
  type: 'DiagnosticReport',
  id: 'r1',
  versionId: 'v1',
  context: [
    { key: 'report', resource: REPORT },
    { key: 'patient', resource: PATIENT },
    { key: 'study', resource: STUDY },
  ],
};
const OPEN: OpenAnchors = listedAnchors([ANCHOR], ANCHOR);

function body(name: string, context: readonly object[], version?: string): string {
  const event = { 'hub.topic': 't', 'hub.event': name, ...(version && { 'context.versionId': version }), context };
  return JSON.stringify({ timestamp: '2026-01-01T00:00:00Z', id: 'e1', event });
}

const REFERENCE = { key: 'report', reference: { reference: 'DiagnosticReport/r1' } };
const OBSERVATIONS = Array.from({ length: 10 }, (_, n) => ({
  resourceType: 'Observation',
  id: `o${n}`,
  status: 'preliminary',
  valueQuantity: { value: 7.1, unit: 'mm' },
}));
const entries = (method: string) =>
  OBSERVATIONS.map((resource) => ({ request: { method, url: `Observation/${resource.id}` }, resource }));
const updates = (method: string) => ({
  key: 'updates',
  resource: { resourceType: 'Bundle', type: 'transaction', entry: entries(method) },
});

interface Comparison {
  readonly label: string;
  readonly switches: DialectSwitches;
  readonly written: string;
  /** The same event as 3.0.0 writes it, from a client without a dialect. */
  readonly plain: string;
}

const COMPARISONS: readonly Comparison[] = [
  {
    label: 'studyReports, an open with a study alone',
    switches: { dialects: ['studyReports'] },
    written: body('DiagnosticReport-open', [{ key: 'study', resource: STUDY }]),
    plain: body('DiagnosticReport-open', ANCHOR.context),
  },
  {
    label: 'studyReports, an update of ten entries',
    switches: { dialects: ['studyReports'] },
    written: body('DiagnosticReport-update', [updates('POST')]),
    plain: body('DiagnosticReport-update', [REFERENCE, updates('PUT')], 'v1'),
  },
  {
    label: 'ballotSelections, a list of ten',
    switches: { dialects: ['ballotSelections'] },
    written: body('DiagnosticReport-select', [REFERENCE, { key: 'select', resources: OBSERVATIONS }]),
    plain: body('DiagnosticReport-select', [
      REFERENCE,
      ...OBSERVATIONS.map(({ id }) => ({ key: 'select', reference: { reference: `Observation/${id}` } })),
    ]),
  },
  {
    label: 'participleNames, an open',
    switches: { dialects: ['participleNames'] },
    written: body('DiagnosticReport-opened', ANCHOR.context),
    plain: body('DiagnosticReport-open', ANCHOR.context),
  },
];

/** As `Publishing` does it. */
function read(text: string, switches: DialectSwitches): void {
  const exact = readExact(text, EVENT_TEXT);
  if (!exact.ok) throw new Error(exact.reason);
  const dialects = dialectsOf(switches);
  let plain: ExactJson = exact.value;
  const whole = plain.value as JsonObject;
  if (dialects.length > 0 && isObject(whole.event)) {
    const found = fromDialects(dialects, whole.event, OPEN);
    if (!found.ok) throw new Error(found.reason);
    plain = madeOf({ ...whole, event: found.event }, [plain]);
  }
  const event = parseEvent(plain.value, ['open', 'close']);
  if (!event.ok) throw new Error(event.reason);
  plain.write(event.value.message.event.context);
}

/** CPU µs a message. */
function cost(text: string, switches: DialectSwitches): number {
  const before = process.cpuUsage();
  for (let n = 0; n < MESSAGES; n++) read(text, switches);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / MESSAGES;
}

const NONE: DialectSwitches = {};

function compare({ label, switches, written, plain }: Comparison): Row & { readonly extra: number } {
  const turns = Array.from({ length: ROUNDS }, () => ({ with: cost(written, switches), without: cost(plain, NONE) }));
  const counted = turns.slice(1);
  const values = {
    with: median(counted.map((turn) => turn.with)),
    without: median(counted.map((turn) => turn.without)),
    extra: median(counted.map((turn) => turn.with - turn.without)),
  };
  return { label, values, extra: values.extra };
}

export const dialects: Scenario = {
  name: 'dialects',
  async run(progress) {
    const rows = COMPARISONS.map((one) => {
      progress(one.label);
      return compare(one);
    });
    progress('no dialect');
    const update = COMPARISONS[1]?.plain ?? '';
    // The switch of another kind: a client without a dialect, twice.
    const nothing = compare({ label: 'no dialect', switches: { vendorEvents: [] }, written: update, plain: update });
    return [
      {
        title: 'Dialects',
        note: `CPU time from the body of a published event to an event of 3.0.0, µs: written in a dialect, and the same event in the words of 3.0.0 from a client without one. Medians of ${ROUNDS - 1} paired rounds of ${MESSAGES} messages in one process.`,
        columns: [
          { key: 'with', title: 'in the dialect', digits: 1 },
          { key: 'without', title: 'without', digits: 1 },
          { key: 'extra', title: 'more', digits: 1 },
        ],
        rows: [...rows, nothing].map(({ label, values }) => ({ label, values })),
        goals: [
          {
            what: 'the dearest dialect costs more than none by',
            reached: Math.max(...rows.map(({ extra }) => extra)),
            limit: LIMIT,
            unit: 'µs',
          },
          { what: 'no dialect costs', reached: Math.max(0, nothing.extra), limit: NOISE, unit: 'µs' },
        ],
      },
    ];
  },
};
