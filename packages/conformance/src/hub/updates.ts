import { randomUUID } from 'node:crypto';
import type { Check } from '../check.ts';
import { CheckFailure, CheckSkip, expect } from '../expecting.ts';
import { isObject, type JsonObject, objects, sameJson } from '../json.ts';
import { observation, patient, patientElements, put, remove, selectElements } from '../samples.ts';
import { PADDING } from '../target/http.ts';
import { priorVersionOf, succeeded, versionOf } from '../target/scenario.ts';
import { isAbout, type Notification, syncErrorIssues } from '../target/subscriber.ts';
import { content } from './content.ts';
import {
  close,
  contentCheck,
  driver,
  elementsOf,
  elementWith,
  holds,
  ONLY_3,
  openReport,
  REPORT,
  reportWithContent,
  update,
  updateOf,
} from './parts.ts';

const bundleOf = (elements: readonly JsonObject[]): JsonObject => {
  const resource = elementWith(elements, 'updates')?.resource;
  expect(isObject(resource), 'a Bundle with the key "updates"', elements);
  return resource;
};

/** Versions, updates and selections as they are taken, refused and distributed. */
export const updates: readonly Check[] = [
  contentCheck(
    'open-has-version',
    'A broadcast open has a context.versionId',
    'PUB-8',
    ['2.10-assign', '3.6.1-version'],
    async (s) => {
      await openReport(s);
    },
  ),
  contentCheck(
    'versions-unique',
    'No version is used twice in a session',
    'PUB-8',
    ['2.10-unique', '2.10-assign'],
    async (s) => {
      const report = await openReport(s);
      const versions = [report.version];
      const next = await update(s, report, report.version, [put(observation(report.context.patient))]);
      versions.push(next.version);
      const second = await openReport(s, report.driver);
      versions.push(second.version);
      versions.push((await update(s, second, second.version, [put(observation(second.context.patient))])).version);
      const again = await s.accepted(s.event('DiagnosticReport-open', report.elements));
      versions.push(versionOf(await report.driver.event(again.id)));
      expect(new Set(versions).size === versions.length, `${versions.length} different versions`, versions);
    },
  ),
  contentCheck(
    'update-broadcast',
    'An update with the right version is accepted and broadcast',
    'CON-2',
    ['2.10-new-version', 'IRA-content'],
    async (s) => {
      const report = await openReport(s);
      const sent = observation(report.context.patient);
      const { notification } = await update(s, report, report.version, [put(sent)]);
      const entries = objects(bundleOf(elementsOf(notification)).entry);
      const carried = entries.some((entry) => isObject(entry.resource) && entry.resource.id === sent.id);
      expect(carried, 'the update’s resource in the broadcast', notification.frame.text);
    },
  ),
  contentCheck(
    'update-new-version',
    'The broadcast update has a new version',
    'CON-2',
    ['2.10-new-version', '3.6.3-replace', '2.3-version'],
    async (s) => {
      const report = await openReport(s);
      const { version } = await update(s, report, report.version, [put(observation(report.context.patient))]);
      expect(version !== report.version, 'another context.versionId than before', version);
    },
  ),
  contentCheck(
    'update-prior-version',
    'The broadcast update names the version before',
    'CON-2',
    ['2.10-prior'],
    async (s) => {
      const report = await openReport(s);
      const first = await update(s, report, report.version, [put(observation(report.context.patient))]);
      const prior = priorVersionOf(first.notification);
      expect(prior === report.version, `context.priorVersionId: "${report.version}"`, prior);
      const second = await update(s, report, first.version, [put(observation(report.context.patient))]);
      const next = priorVersionOf(second.notification);
      expect(next === first.version, `context.priorVersionId: "${first.version}"`, next);
    },
  ),
  contentCheck(
    'update-bundle-id',
    'The broadcast update has the request’s Bundle id',
    'CON-2',
    ['2.10-bundle-id'],
    async (s) => {
      const report = await openReport(s);
      const id = randomUUID();
      const message = updateOf(s, report, report.version, [put(observation(report.context.patient))], id);
      await s.accepted(message);
      const bundle = bundleOf(elementsOf(await report.driver.event(message.id)));
      expect(bundle.id === id, `Bundle.id: "${id}"`, bundle.id);
    },
  ),
  contentCheck(
    'update-bundle-methods',
    'The broadcast update says of every entry what is done to which resource',
    'CON-2',
    ['2.3-update-bundle', '2.3-update-fields'],
    async (s) => {
      const report = await reportWithContent(s);
      const two = observation(report.context.patient);
      const { notification } = await update(s, report, report.after, [put(two), remove(report.one)]);
      const bundle = bundleOf(elementsOf(notification));
      expect(bundle.type === 'transaction', 'Bundle.type: "transaction"', bundle.type);
      const done = objects(bundle.entry).map(({ request }) => (isObject(request) ? [request.method, request.url] : []));
      const asked = [
        ['PUT', `Observation/${two.id}`],
        ['DELETE', `Observation/${report.one.id}`],
      ];
      expect(sameJson(done, asked), 'entries whose request has the method and url that were sent', bundle.entry);
    },
  ),
  contentCheck(
    'update-context-kept',
    'The broadcast update has the request’s context',
    'PUB-3',
    ['2.10-all-entries', '2.3-update-fields'],
    async (s) => {
      const report = await openReport(s);
      const { notification, message } = await update(s, report, report.version, [
        put(observation(report.context.patient)),
      ]);
      const found = elementsOf(notification).find((one) => one.key === 'report');
      expect(sameJson(found, message.event.context[0]), 'the reference to the report', notification.event.context);
    },
  ),
  contentCheck(
    'update-in-order',
    'Every subscriber sees one unbroken chain of versions',
    'PUB-3',
    ['2.10-order', '2.10-prior'],
    async (s) => {
      const report = await openReport(s);
      const second = await s.subscribe({ events: REPORT, name: 'Second' });
      await second.event(report.opened.id);
      let version = report.version;
      const ids = [];
      for (let index = 0; index < 5; index++) {
        const next = await update(s, report, version, [put(observation(report.context.patient))]);
        version = next.version;
        ids.push(next.message.id);
      }
      await second.event(ids.at(-1)!);
      await s.settle();
      let known = report.version;
      for (const event of second.events.filter((one) => one.name === 'diagnosticreport-update')) {
        expect(priorVersionOf(event) === known, `the update that follows version ${known}`, event.frame.text);
        known = versionOf(event);
      }
      expect(known === version, `the last version ${version}`, known);
    },
  ),
  contentCheck(
    'update-wrong-version',
    'An update with a version that is none is rejected',
    'CON-2',
    ['2.10-mismatch', '2.10-reject', '2.10-compare', 'RAD-154-versions'],
    async (s) => {
      const report = await openReport(s);
      const entries = [put(observation(report.context.patient))];
      await s.rejected('an update with a wrong version', updateOf(s, report, randomUUID(), entries), report.driver);
    },
  ),
  contentCheck(
    'update-old-version',
    'An update with a version gone by is rejected',
    'CON-2',
    ['2.10-mismatch', '2.10-reject', '2.10-compare'],
    async (s) => {
      const report = await reportWithContent(s);
      const entries = [put(observation(report.context.patient))];
      await s.rejected('an update with an old version', updateOf(s, report, report.version, entries), report.driver);
    },
  ),
  contentCheck(
    'update-without-version',
    'An update without a version is rejected',
    'CON-2',
    ['2.3-version', '2.10-mismatch'],
    async (s) => {
      const report = await openReport(s);
      const entries = [put(observation(report.context.patient))];
      await s.rejected('an update without a version', updateOf(s, report, undefined, entries), report.driver);
    },
  ),
  contentCheck(
    'update-without-bundle',
    'An update without "updates" is rejected',
    'CON-1',
    ['2.3-update-fields', '2.10-one-bundle'],
    async (s) => {
      const report = await openReport(s);
      const whole = updateOf(s, report, report.version, []);
      const context = whole.event.context.filter((one) => one.key !== 'updates');
      await s.rejected('an update without "updates"', { ...whole, event: { ...whole.event, context } }, report.driver);
    },
  ),
  contentCheck(
    'update-without-anchor',
    'An update that names no report is rejected',
    'CON-1',
    ['2.3-update-fields'],
    async (s) => {
      const report = await openReport(s);
      const whole = updateOf(s, report, report.version, [put(observation(report.context.patient))]);
      const context = whole.event.context.filter((one) => one.key !== 'report');
      await s.rejected(
        'an update that names no report',
        { ...whole, event: { ...whole.event, context } },
        report.driver,
      );
    },
  ),
  contentCheck(
    'update-resource-twice',
    'An update with the same resource twice is rejected',
    'CON-1',
    ['2.10-no-twice'],
    async (s) => {
      const report = await openReport(s);
      const one = observation(report.context.patient);
      const entries = [put(one), put({ ...one, status: 'final' })];
      await s.rejected('a Bundle with a resource twice', updateOf(s, report, report.version, entries), report.driver);
    },
    { level: 'SHOULD' },
  ),
  contentCheck(
    'update-one-winner',
    'Of two updates of one version exactly one is accepted',
    'CON-8',
    ['2.10-atomic', '2.10-mismatch', 'IRA-coordinate'],
    async (s) => {
      const report = await openReport(s);
      const two = [1, 2].map(() => updateOf(s, report, report.version, [put(observation(report.context.patient))]));
      await Promise.all(two.map((message) => s.publish(message)));
      const isOne = (event: Notification) => two.some(({ id }) => id === event.id);
      await report.driver.notification('one of the two updates', isOne);
      await s.settle();
      const came = report.driver.events.filter((event) => two.some(({ id }) => id === event.id));
      expect(came.length === 1, 'one broadcast update', `${came.length} of them`);
    },
  ),
  contentCheck(
    'update-too-large',
    'An update that is too large is answered 413',
    'PUB-6',
    ['2.10-too-large'],
    async (s) => {
      const report = await openReport(s);
      const large = { ...observation(report.context.patient), note: [{ text: PADDING }] };
      const message = updateOf(s, report, report.version, [put(large)]);
      const response = await s.publish(JSON.stringify(message), { padding: 12_000_000 }).catch((error) => {
        // A connection that is reset takes an unread answer with it.
        const cut = error instanceof CheckFailure && /EPIPE|ECONNRESET/.test(error.seen);
        throw cut
          ? new CheckSkip('The Hub cut the connection before it had read the update; no answer can be seen')
          : error;
      });
      if (!succeeded(response)) {
        expect(response.status === 413, 'HTTP 413', `HTTP ${response.status} ${response.body}`);
        return;
      }
      const fate = await report.driver.notification(
        'after a successful status the update, or a SyncError with the code "too-long"',
        (one) => one.id === message.id || isAbout(one, message.id),
      );
      if (fate.id === message.id) throw new CheckSkip('The Hub takes updates of 12 MB');
      const codes = syncErrorIssues(fate).map(({ code }) => code);
      expect(codes.includes('too-long'), 'an issue with the code "too-long"', codes);
    },
    { seconds: 25, heavy: true },
  ),
  contentCheck(
    'update-non-current',
    'An update of a report that is not current is applied to that report',
    'CON-7',
    ['2.10-non-current'],
    async (s) => {
      const report = await openReport(s);
      const second = await openReport(s, report.driver);
      const one = observation(report.context.patient);
      await update(s, report, report.version, [put(one)]);
      expect((await content(s)).length === 0, 'nothing in the current report', await content(s));
      const again = await s.accepted(s.event('DiagnosticReport-open', report.elements));
      await second.driver.event(again.id);
      expect(holds(await content(s), one) !== undefined, 'the resource in the report it was sent to', await content(s));
    },
    { needs: ['content', 'get-current', 'non-current-updates'], versions: ONLY_3 },
  ),
  contentCheck(
    'update-not-open',
    'An update of a report that is not open is rejected',
    'PUB-11',
    ['2.10-mismatch', '2.10-compare', 'IRA-409'],
    async (s) => {
      const report = await openReport(s);
      await close(s, report.opened, report.driver);
      const entries = [put(observation(report.context.patient))];
      await s.rejected('an update of a closed report', updateOf(s, report, report.version, entries), report.driver);
    },
  ),
  contentCheck(
    'select-broadcast',
    'A selection is broadcast',
    'CON-7',
    ['2.3-select'],
    async (s) => {
      const report = await reportWithContent(s);
      const { one } = report;
      const select = await s.accepted(s.event('DiagnosticReport-select', selectElements(report.context, [one])));
      const event = await report.driver.event(select.id);
      expect(sameJson(event.event.context, select.event.context), 'the selection as it was sent', event.event.context);
    },
    { needs: ['content', 'select'], level: 'SHOULD' },
  ),
  contentCheck(
    'patient-open-has-version',
    'Opens of every type have a version where content is shared',
    'PUB-8',
    ['2.10-assign'],
    async (s) => {
      const one = await driver(s, ['Patient-open']);
      const open = await s.accepted(s.event('Patient-open', patientElements(patient())));
      versionOf(await one.event(open.id));
    },
    { versions: ONLY_3 },
  ),
];
