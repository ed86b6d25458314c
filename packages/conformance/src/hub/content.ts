import { randomUUID } from 'node:crypto';
import type { Check } from '../check.ts';
import { CheckSkip, expect } from '../expecting.ts';
import { type JsonObject, objects, sameJson } from '../json.ts';
import { type BundleEntry, observation, put, type Resource, remove } from '../samples.ts';
import { type Scenario, succeeded, versionOf } from '../target/scenario.ts';
import { isAbout, type Notification } from '../target/subscriber.ts';
import {
  close,
  contentBundle,
  contentCheck,
  contentElements,
  contentResources,
  holds,
  type OpenReport,
  openReport,
  READ_AS_WELL,
  reportWithContent,
  update,
  updateOf,
} from './parts.ts';

/** Something that a Hub may reject in the middle of a Bundle; the first entry is always good. */
function doubtful(report: OpenReport, good: Resource): readonly (readonly BundleEntry[])[] {
  const second = observation(report.context.patient);
  return [
    [put(good), { request: { method: 'PUT', url: 'Observation/none' } }],
    [put(good), { request: { method: 'POST', url: 'Observation' }, resource: second }],
    [put(good), put(second), put(second)],
    [put(good), remove(report.context.patient)],
  ];
}

/** What the current context has as content. */
export async function content(s: Scenario): Promise<readonly JsonObject[]> {
  return contentResources(await s.context());
}

/** What becomes of content: applied whole or not at all, read again, kept and disposed of. */
export const contentSharing: readonly Check[] = [
  contentCheck(
    'update-rejected-changes-nothing',
    'Nothing of a rejected update is applied',
    'CON-3',
    ['2.10-whole', '2.10-mismatch'],
    async (s) => {
      const report = await openReport(s);
      const one = observation(report.context.patient);
      await s.publish(updateOf(s, report, randomUUID(), [put(one)]));
      await s.settle();
      expect(!holds(await content(s), one), 'no content from a rejected update', 'the resource is there');
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'update-atomic',
    'Where one entry is rejected, none is applied',
    'CON-3',
    ['2.10-whole', '2.10-atomic', '2.10-all-entries'],
    async (s) => {
      const report = await openReport(s);
      let version = report.version;
      let rejections = 0;
      const count = doubtful(report, report.context.report).length;
      for (let index = 0; index < count; index++) {
        const good = observation(report.context.patient);
        const entries = doubtful(report, good)[index]!;
        const message = updateOf(s, report, version, entries);
        const response = await s.publish(message);
        // Taken, it is broadcast, or rejected by a SyncError.
        const fate = (one: Notification) => one.id === message.id || isAbout(one, message.id);
        if (succeeded(response)) await report.driver.notification('what became of it', fate).catch(() => undefined);
        else await s.settle();
        const broadcast = report.driver.events.find((event) => event.id === message.id);
        if (succeeded(response) && broadcast) {
          version = versionOf(broadcast);
          continue;
        }
        rejections++;
        expect(
          !holds(await content(s), good),
          'none of a rejected update’s entries',
          `the entry before the rejected one is there: ${good.id}`,
        );
        expect(broadcast === undefined, 'no broadcast of a rejected update', broadcast?.frame.text);
      }
      if (rejections === 0) throw new CheckSkip('The Hub takes every Bundle that the suite knows to be doubtful');
    },
    { ...READ_AS_WELL, seconds: 25 },
  ),
  contentCheck(
    'update-applied',
    'Every entry of an accepted update is in the content',
    'CON-3',
    ['2.10-all-entries', '2.10-maintain', 'IRA-manage-content'],
    async (s) => {
      const report = await openReport(s);
      const several = Array.from({ length: 25 }, () => observation(report.context.patient));
      await update(s, report, report.version, several.map(put));
      const found = await content(s);
      for (const one of several) {
        expect(sameJson(holds(found, one), one), `the Observation ${one.id} as it was sent`, found);
      }
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'update-replaces',
    'A second PUT replaces the resource',
    'CON-3',
    ['2.10-maintain'],
    async (s) => {
      const report = await reportWithContent(s);
      const { one, after } = report;
      const changed = { ...one, status: 'final' };
      await update(s, report, after, [put(changed)]);
      const found = (await content(s)).filter((resource) => resource.id === one.id);
      expect(found.length === 1 && sameJson(found[0], changed), 'the resource once, as it was sent last', found);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'update-removes',
    'A DELETE removes the resource',
    'CON-3',
    ['2.10-maintain'],
    async (s) => {
      const report = await openReport(s);
      const [one, two] = [observation(report.context.patient), observation(report.context.patient)];
      const first = await update(s, report, report.version, [put(one), put(two)]);
      await update(s, report, first.version, [remove(one)]);
      const found = await content(s);
      expect(!holds(found, one), 'the removed resource to be gone', found);
      expect(holds(found, two) !== undefined, 'the other resource to stay', found);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-by-type-and-id',
    'Resources of different types with one id are two resources',
    'CON-3',
    ['2.10-maintain'],
    async (s) => {
      const report = await openReport(s);
      const one = observation(report.context.patient);
      const media = { resourceType: 'Media', id: one.id, status: 'completed', content: { title: 'key image' } };
      await update(s, report, report.version, [put(one), put(media)]);
      const found = await content(s);
      const both = holds(found, one) !== undefined && holds(found, media) !== undefined;
      expect(both, 'an Observation and a Media with the same id', found);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-without-full-url',
    'A resource is the same whatever its entry’s fullUrl',
    'CON-3',
    ['2.10-maintain', '2.10-all-entries'],
    async (s) => {
      const report = await openReport(s);
      const one = observation(report.context.patient);
      const { fullUrl: _fullUrl, ...bare } = put(one);
      const { version } = await update(s, report, report.version, [bare]);
      const changed = { ...one, status: 'final' };
      await update(s, report, version, [put(changed)]);
      const found = (await content(s)).filter((resource) => resource.id === one.id);
      expect(found.length === 1 && sameJson(found[0], changed), 'the resource once, as it was sent last', found);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-empty',
    'Without content there is one Bundle without entries',
    'CON-5',
    ['2.9-no-entries', '2.9-bundle', 'RAD-153-content'],
    async (s) => {
      await openReport(s);
      const bundle = contentBundle(await s.context());
      expect(objects(bundle.entry).length === 0, 'no entries', bundle);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-one-bundle',
    'Content is one Bundle of the type collection',
    'CON-5',
    ['2.9-bundle', '2.9-profile'],
    async (s) => {
      const _report = await reportWithContent(s);
      const context = await s.context();
      expect(contentElements(context).length === 1, 'one element "content"', context.context);
      const bundle = contentBundle(context);
      expect(bundle.type === 'collection', 'Bundle.type: "collection"', bundle.type);
      expect(bundle.link === undefined, 'no Bundle.link', bundle.link);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-without-request',
    'No entry of the content has a request',
    'CON-5',
    ['2.9-no-request', '2.9-profile'],
    async (s) => {
      const _report = await reportWithContent(s);
      const entries = objects(contentBundle(await s.context()).entry);
      expect(entries.length > 0, 'the shared resource', entries);
      const wrong = entries.find(
        (entry) => entry.request !== undefined || entry.response !== undefined || entry.search !== undefined,
      );
      expect(wrong === undefined, 'entries without request, response and search', wrong);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-version',
    'The current context has the version of the last update',
    'CON-5',
    ['2.9-version', '2.10-new-version'],
    async (s) => {
      const report = await openReport(s);
      const { version } = await update(s, report, report.version, [put(observation(report.context.patient))]);
      const found = (await s.context())['context.versionId'];
      expect(found === version, `context.versionId: "${version}"`, found);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-context-unchanged',
    'A changed context resource shows in the content, not in the opening context',
    'CON-5',
    ['2.10-context-unchanged', '2.10-changes-in-content'],
    async (s) => {
      const report = await openReport(s);
      const changed = { ...report.context.report, status: 'preliminary' };
      await update(s, report, report.version, [put(changed)]);
      const context = await s.context();
      const opening = objects(context.context).filter((one) => one.key !== 'content');
      expect(sameJson(opening, report.elements), 'the context array of the opening event', opening);
      const found = holds(contentResources(context), changed);
      expect(sameJson(found, changed), 'the changed report in the content', found);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-survives-reopen',
    'Opening a report again keeps its content',
    'PUB-8',
    ['2.10-maintain', 'RAD-148-reopen'],
    async (s) => {
      const report = await reportWithContent(s);
      const { one } = report;
      await openReport(s, report.driver);
      const again = await s.accepted(s.event('DiagnosticReport-open', report.elements));
      await report.driver.event(again.id);
      const found = await content(s);
      expect(holds(found, one) !== undefined, 'the content from before', found);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-of-its-anchor',
    'Content belongs to one report',
    'CON-5',
    ['2.10-maintain', '2.9-no-entries'],
    async (s) => {
      const report = await reportWithContent(s);
      await openReport(s, report.driver);
      const found = await content(s);
      expect(found.length === 0, 'no content in the second report', found);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-gone-after-close',
    'Closing a report disposes of its content',
    'PUB-9',
    ['2.10-dispose'],
    async (s) => {
      const report = await reportWithContent(s);
      await close(s, report.opened, report.driver);
      const again = await s.accepted(s.event('DiagnosticReport-open', report.elements));
      await report.driver.event(again.id);
      const found = await content(s);
      expect(found.length === 0, 'no content from before the close', found);
    },
    { ...READ_AS_WELL, level: 'SHOULD' },
  ),
];
