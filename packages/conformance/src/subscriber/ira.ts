import { CheckSkip, expect } from '../expecting.ts';
import { isObject, objects } from '../json.ts';
import { observation, type Resource, selectElements, syncErrorElements } from '../samples.ts';
import { onPublished, sharedUpdate } from './publishing.ts';
import {
  accepts,
  eventOf,
  nameOf,
  publishedAfter,
  type SubscriberCheck,
  subscription,
  tellReport,
  updateFor,
  versionIn,
} from './scenario.ts';
import { onSubscription } from './subscribing.ts';

const FIVE = [
  'diagnosticreport-open',
  'diagnosticreport-close',
  'diagnosticreport-update',
  'diagnosticreport-select',
  'syncerror',
];

function check(
  id: string,
  title: string,
  rule: string,
  requirements: SubscriberCheck['requirements'],
  run: SubscriberCheck['run'],
): SubscriberCheck {
  return { id: `ira-app-${id}`, title, rule, requirements, level: 'SHALL', safety: true, versions: ['IRA'], run };
}

/** IHE Radiology, Integrated Reporting Applications: what its applications do beyond FHIRcast. */
export const iraApplication: readonly SubscriberCheck[] = [
  onSubscription(
    'ira-app-events',
    'It subscribes to the five events of the profile',
    'S-RAD-146-events',
    (session) => {
      const events = (subscription(session).fields.get('hub.events') ?? '').toLowerCase().split(',');
      const missing = FIVE.filter((event) => !events.includes(event) && !events.includes('*'));
      expect(missing.length === 0, FIVE.join(', '), `without ${missing.join(', ')}`);
    },
    { versions: ['IRA'] },
  ),
  onSubscription(
    'ira-app-name',
    'It says its name',
    'S-RAD-146-name',
    (session) => {
      const name = subscription(session).fields.get('subscriber.name');
      expect(name !== null && name.trim() !== '', 'subscriber.name', name ?? undefined);
    },
    { versions: ['IRA'] },
  ),
  check(
    'connects',
    'It connects to the endpoint that it was given',
    'SUB-7',
    ['S-RAD-147-connect'],
    async ({ session }) => {
      subscription(session);
      expect(session.connections > 0, 'a WebSocket connection to hub.channel.endpoint', 'none came');
    },
  ),
  check(
    'confirms',
    'It confirms every kind of event, errors too',
    'ERR-1',
    ['S-RAD-154-confirm', 'S-RAD-155-confirm'],
    async ({ session }) => {
      const report = await tellReport(session);
      const { context, open } = report;
      const update = updateFor(session, report);
      const kinds = [
        update,
        session.event('DiagnosticReport-select', selectElements(context, [context.study])),
        session.event('SyncError', syncErrorElements(open, 'Somebody else')),
        session.event('DiagnosticReport-close', open.event.context),
      ];
      for (const message of kinds) if (session.wants(message.event['hub.event'])) await session.deliver(message);
    },
  ),
  check(
    'version-gap',
    'After an update that it missed it retrieves the current context',
    'CON-5',
    ['S-RAD-154-prior'],
    async ({ session }) => {
      const report = await tellReport(session, 'DiagnosticReport-update');
      const before = session.contextReads;
      await session.deliver(updateFor(session, report, 'never-sent'));
      await session.until('a GET of the current context', () => session.contextReads > before);
    },
  ),
  check(
    'newest-version',
    'Its update names the newest version, also where another application made it',
    'CON-2',
    ['S-RAD-150-newest', 'S-RAD-154-version', 'S-RAD-154-track'],
    async ({ session, ask }) => {
      const report = await tellReport(session, 'DiagnosticReport-update');
      const others = updateFor(session, report);
      await session.deliver(others);
      const update = await sharedUpdate(session, ask, session.published.length);
      const version = eventOf(update)['context.versionId'];
      expect(version === versionIn(others), `context.versionId: "${versionIn(others)}"`, version);
    },
  ),
  check(
    'closes',
    'It closes a report that is closed',
    'PUB-9',
    ['S-RAD-154-close'],
    async ({ session, ask, shown }) => {
      const { context, open } = await tellReport(session, 'DiagnosticReport-close');
      const answer = await session.deliver(session.event('DiagnosticReport-close', open.event.context));
      expect(accepts(answer), 'a 2xx status', answer.status);
      if (shown) {
        const closed = async () => (await shown()) !== context.patient.id;
        await session.until('the application not to show the closed report’s patient', closed);
      } else if (ask) {
        const closed = await ask('Answer yes if the application shows no report any more: it was told to close it.');
        expect(closed, 'the report to be closed', 'it is still shown, says who watched it');
      } else throw new CheckSkip('Nobody can tell what the application shows (a person or a state command is needed)');
    },
  ),
  check(
    'selects',
    'A selection replaces the one before, and what is unknown in it is ignored',
    'CON-7',
    ['S-RAD-154-unselect', 'S-RAD-154-select', 'S-RAD-154-unknown'],
    async ({ session, ask }) => {
      const report = await tellReport(session, 'DiagnosticReport-select');
      const select = (selected: readonly Resource[]) =>
        session.deliver(session.event('DiagnosticReport-select', selectElements(report.context, selected)));
      await select([report.context.study]);
      const answer = await select([report.context.report, observation(report.context.patient)]);
      expect(accepts(answer), 'a 2xx status to a selection of which one resource is unknown', answer.status);
      if (!ask) throw new CheckSkip('A person has to tell what the application shows as selected');
      const right = await ask(
        'The study was selected, then the report instead. Answer yes if the application shows the study as selected no longer (or shows no selections).',
      );
      expect(right, 'the study not to be selected any more', 'it still is, says who watched it');
    },
  ),
  check(
    'retries-anew',
    'After a refusal it tries again with a new id',
    'PUB-7',
    ['S-RAD-148-retry', 'S-RAD-149-retry', 'S-RAD-150-retry', 'S-RAD-151-retry', 'S-RAD-156-retry'],
    async ({ session, ask }) => {
      if (!ask) throw new CheckSkip('A person has to make the application publish something');
      session.behaviour.publishStatus = 500;
      const refused = await publishedAfter(
        { session, ask },
        'Change the patient or the report in the application twice, or let it try again: the Hub refuses it.',
        (since) => since.length > 1,
      ).finally(() => {
        session.behaviour.publishStatus = 202;
      });
      const ids = refused.map(({ id }) => id);
      if (ids.length < 2) throw new CheckSkip('The application did not try again');
      expect(new Set(ids).size === ids.length, 'a new id for every request', ids);
    },
  ),
  {
    ...onPublished(
      'ira-app-opens-whole',
      'A report that it opens comes with its patient and study',
      ['S-RAD-148-context'],
      (messages) => {
        const opens = messages.filter((message) => nameOf(message) === 'diagnosticreport-open');
        if (opens.length === 0) throw new CheckSkip('The application opened no report');
        for (const open of opens) {
          const keys = objects(eventOf(open).context).map(({ key }) => key);
          const missing = ['report', 'patient', 'study'].filter((key) => !keys.includes(key));
          expect(missing.length === 0, 'report, patient and study', `without ${missing.join(', ')}`);
        }
      },
    ),
    versions: ['IRA'],
  },
  {
    ...onPublished(
      'ira-app-names-report',
      'What it closes or selects names its report',
      ['S-RAD-149-context', 'S-RAD-151-context'],
      (messages) => {
        const about = messages.filter((message) => /^diagnosticreport-(close|select)$/.test(nameOf(message)));
        if (about.length === 0) throw new CheckSkip('The application closed no report and selected nothing');
        for (const message of about) {
          const elements = objects(eventOf(message).context);
          const report = elements.find(({ key }) => key === 'report');
          const closes = nameOf(message).endsWith('-close');
          const named = closes
            ? isObject(report?.resource) && typeof report.resource.id === 'string'
            : isObject(report?.reference);
          expect(named, closes ? 'a report with its id' : 'a reference to the report', report ?? 'no element "report"');
          const selects = closes || elements.some(({ key }) => key === 'select');
          expect(selects, 'an element "select"', elements);
        }
      },
    ),
    versions: ['IRA'],
  },
];
