import { CheckFailure, CheckSkip, expect, show } from '../expecting.ts';
import { objects, textOf } from '../json.ts';
import { pause } from '../pause.ts';
import { patient, type Resource } from '../samples.ts';
import { ANSWER_MS } from './played-session.ts';
import {
  accepts,
  eventOf,
  expectShown,
  isSyncError,
  NOBODY_SEES,
  nameOf,
  opening,
  type SubscriberCheck,
  statusOf,
  tellReport,
  updateFor,
} from './scenario.ts';

function mrn(of: Resource): string {
  const identifiers = objects(of.identifier);
  return textOf(identifiers[0]?.value);
}

/** How an application follows what the Hub sends it. */
export const following: readonly SubscriberCheck[] = [
  {
    id: 'app-answers',
    title: 'It answers every event with the event’s id and a status',
    rule: 'ERR-1',
    requirements: ['S-answer', 'S-answer-id'],
    level: 'SHALL',
    safety: true,
    run: async ({ session }) => {
      for (let index = 0; index < 6; index++) {
        const open = opening(session);
        await session.deliver(open);
        const close = open.event['hub.event'].replace('-open', '-close');
        if (session.wants(close)) await session.deliver(session.event(close, open.event.context));
      }
    },
  },
  {
    id: 'app-status',
    title: 'The status is an HTTP status code',
    rule: 'ERR-1',
    requirements: ['S-answer-status'],
    level: 'SHALL',
    run: async ({ session }) => {
      const { status } = await session.deliver(opening(session));
      // The specification says numeric and shows a string: both are right.
      const right = /^[1-5]\d\d$/.test(textOf(status)) && (typeof status === 'number' || typeof status === 'string');
      expect(right, 'a status from 100 to 599', status);
    },
  },
  {
    id: 'app-answers-in-time',
    title: 'It answers within 10 seconds',
    rule: 'ERR-4',
    requirements: ['S-ten-seconds'],
    level: 'SHOULD',
    safety: true,
    run: async ({ session }) => {
      const started = performance.now();
      const pong = session.ping();
      const { at } = await session.deliver(opening(session));
      // On a slow machine, or by a slow way, a ping takes its time as well.
      const rest = ANSWER_MS - Math.round(at - started);
      if (rest < 0) expect(rest + ((await pong) ?? 0) >= 0, 'an answer within 10 seconds', `${-rest} ms later`);
    },
  },
  {
    id: 'app-full-resource',
    title: 'It takes a resource with everything in it',
    rule: 'PUB-5',
    requirements: ['S-full-resource'],
    level: 'SHALL',
    run: async ({ session, shown }) => {
      const whole = {
        ...patient(),
        meta: { versionId: '7', lastUpdated: '2026-01-01T00:00:00Z' },
        text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Ada</div>' },
        extension: [{ url: 'http://example.org/fhir/StructureDefinition/note', valueString: 'x' }],
        telecom: [{ system: 'phone', value: '555' }],
        address: [{ line: ['1 Main Street'], city: 'Springfield' }],
        photo: [{ contentType: 'image/png', data: 'A'.repeat(60_000) }],
      };
      const answer = await session.deliver(opening(session, whole));
      expect(accepts(answer), 'a 2xx status', answer.status);
      if (shown && session.wants('Patient-open')) await expectShown(session, shown, whole.id);
    },
  },
  {
    id: 'app-any-case',
    title: 'It knows an event by its name in any case',
    rule: 'SUB-3',
    requirements: ['S-case'],
    level: 'SHALL',
    safety: true,
    run: async ({ session, shown }) => {
      const of = patient();
      const event = opening(session, of);
      const name = event.event['hub.event'].toUpperCase();
      const answer = await session.deliver({ ...event, event: { ...event.event, 'hub.event': name } });
      expect(accepts(answer), 'a 2xx status', answer.status);
      if (shown && session.wants('Patient-open')) await expectShown(session, shown, of.id);
    },
  },
  {
    id: 'app-duplicates',
    title: 'It lives with an event that comes twice',
    rule: 'PUB-7',
    requirements: ['S-retry'],
    level: 'SHOULD',
    safety: true,
    run: async ({ session }) => {
      const event = opening(session);
      await session.deliver(event);
      session.send(event);
      await session.settle();
      await session.deliver(opening(session));
    },
  },
  {
    id: 'app-stale',
    title: 'It ignores an event older than its context',
    rule: 'PUB-3',
    requirements: ['S-stale'],
    level: 'SHALL',
    safety: true,
    run: async ({ session, ask, shown }) => {
      const of = patient();
      await session.deliver(opening(session, of));
      const old = new Date(Date.now() - 3_600_000).toISOString();
      const other = patient();
      const stale = opening(session, other, undefined, old);
      const before = session.answers.length;
      session.tell(stale);
      await session.answerTo(stale, before).catch(() => undefined);
      await session.settle();
      if (shown) await expectShown(session, shown, of.id, `the application to stay with the patient ${of.id}`);
      else if (ask) {
        const stayed = await ask(
          `Answer yes if the application shows the patient ${mrn(of)} and not ${mrn(other)} (an event an hour old).`,
        );
        expect(stayed, `the application to stay with ${mrn(of)}`, 'it followed the older event, says who watched it');
      } else throw new CheckSkip('Nobody can tell what the application shows (a person or a state command is needed)');
    },
  },
  {
    id: 'app-order',
    title: 'Of events out of order it keeps the newest',
    rule: 'PUB-3',
    requirements: ['S-stale'],
    level: 'SHALL',
    safety: true,
    run: async ({ session, shown }) => {
      if (!shown) throw new CheckSkip(NOBODY_SEES);
      const [first, second, third] = [patient(), patient(), patient()];
      // Times that are fixed once, before the first of them is sent.
      const times = [0, 1, 2].map((ms) => session.newer(ms));
      const inOrder = [first, second, third].map((of, index) => opening(session, of, undefined, times[index]));
      const before = session.answers.length;
      for (const index of [0, 2, 1]) session.tell(inOrder[index]!);
      for (const message of inOrder) await session.answerTo(message, before).catch(() => undefined);
      await expectShown(session, shown, third.id, `the newest patient, ${third.id}`);
      await session.settle();
      const found = await shown();
      expect(found === third.id, `the application to stay with ${third.id}`, found);
    },
  },
  {
    id: 'app-times',
    title: 'It compares times as times, however many digits they have',
    rule: 'PUB-3',
    requirements: ['S-stale'],
    level: 'SHALL',
    safety: true,
    run: async ({ session, shown }) => {
      if (!shown) throw new CheckSkip(NOBODY_SEES);
      // As text, the time with a fraction is less than the whole second before it.
      const second = new Date(Math.ceil(Date.parse(session.newer(0)) / 1000) * 1000).toISOString().slice(0, 19);
      const [first, newer, older] = [patient(), patient(), patient()];
      await session.deliver(opening(session, first, undefined, `${second}Z`));
      await session.deliver(opening(session, newer, undefined, `${second}.1Z`));
      await expectShown(session, shown, newer.id, `the newer patient, ${newer.id}, opened a moment later`);
      const before = session.answers.length;
      const stale = opening(session, older, undefined, `${second}Z`);
      session.tell(stale);
      await session.answerTo(stale, before).catch(() => undefined);
      await session.settle();
      await expectShown(session, shown, newer.id, `the application to stay with ${newer.id}, which is newer`);
      // Until then, what the application publishes would be older than that.
      await pause(Math.max(0, Date.parse(`${second}.1Z`) - Date.now()));
    },
  },
  {
    id: 'app-burst',
    title: 'It ends with the last of many events that come at once',
    rule: 'PUB-3',
    requirements: ['S-open', 'S-answer'],
    level: 'SHOULD',
    safety: true,
    run: async ({ session, shown }) => {
      if (!shown) throw new CheckSkip(NOBODY_SEES);
      const patients = Array.from({ length: 8 }, () => patient());
      const opens = patients.map((of) => opening(session, of));
      const before = session.answers.length;
      for (const open of opens) session.tell(open);
      for (const open of opens) await session.answerTo(open, before);
      const last = patients.at(-1)!.id;
      await expectShown(session, shown, last, `the last of ${patients.length} patients, ${last}`);
    },
  },
  {
    id: 'app-opens-again',
    title: 'It shows a patient again who was closed and is opened again',
    rule: 'PUB-9',
    requirements: ['S-open'],
    level: 'SHOULD',
    safety: true,
    run: async ({ session, shown }) => {
      if (!shown) throw new CheckSkip(NOBODY_SEES);
      if (!session.wants('Patient-open')) throw new CheckSkip('The application does not subscribe to Patient-open');
      const [again, other] = [patient(), patient()];
      const first = opening(session, again);
      await session.deliver(first);
      if (session.wants('Patient-close')) await session.deliver(session.event('Patient-close', first.event.context));
      await session.deliver(opening(session, other));
      await session.deliver(opening(session, again));
      await expectShown(session, shown, again.id, `the patient ${again.id}, who was opened a second time`);
    },
  },
  {
    id: 'app-echoes',
    title: 'It does not publish again what it is told',
    rule: 'PUB-7',
    requirements: ['S-echo'],
    level: 'SHOULD',
    safety: true,
    run: async ({ session }) => {
      const told = opening(session);
      const before = session.published.length;
      await session.deliver(told);
      await session.settle();
      const anchorOf = (message: object) => JSON.stringify(objects(eventOf(message).context)[0]);
      const echo = session.published
        .slice(before)
        .find((one) => nameOf(one) === nameOf(told) && anchorOf(one) === anchorOf(told));
      expect(echo === undefined, 'nothing published about the context that the Hub has just told', echo);
    },
  },
  {
    id: 'app-home',
    title: 'It leaves its patient when the user goes home',
    rule: 'PUB-10',
    requirements: ['S-home'],
    level: 'SHOULD',
    safety: true,
    run: async ({ session, shown }) => {
      if (!session.wants('Home-open')) throw new CheckSkip('The application does not subscribe to Home-open');
      if (!shown) throw new CheckSkip(NOBODY_SEES);
      const of = patient();
      await session.deliver(opening(session, of));
      await expectShown(session, shown, of.id);
      await session.deliver(session.event('Home-open', []));
      const left = async () => (await shown()) !== of.id;
      await session.until(`the application to leave ${of.id}: its user went home`, left);
    },
  },
  {
    id: 'app-closes',
    title: 'It leaves a patient that is closed, and no other',
    rule: 'PUB-9',
    requirements: ['S-close'],
    level: 'SHOULD',
    safety: true,
    run: async ({ session, shown }) => {
      if (!shown) throw new CheckSkip(NOBODY_SEES);
      if (!session.wants('Patient-open') || !session.wants('Patient-close'))
        throw new CheckSkip('The application does not subscribe to Patient-open and Patient-close');
      const [before, current] = [patient(), patient()];
      const [first, second] = [opening(session, before), opening(session, current)];
      for (const open of [first, second]) await session.deliver(open);
      await expectShown(session, shown, current.id);
      await session.deliver(session.event('Patient-close', first.event.context));
      await session.settle();
      await expectShown(
        session,
        shown,
        current.id,
        `the application to stay with ${current.id} when ${before.id} is closed`,
      );
      await session.deliver(session.event('Patient-close', second.event.context));
      const left = async () => (await shown()) !== current.id;
      await session.until(`the application to leave ${current.id}, which was closed`, left);
    },
  },
  {
    id: 'app-refuses',
    title: 'With unsaved work it refuses to follow, and says so',
    rule: 'ERR-2',
    requirements: ['S-refuse'],
    level: 'SHALL',
    safety: true,
    run: async ({ session, ask }) => {
      if (!ask) throw new CheckSkip('A person has to bring the application into a state in which it cannot follow');
      const ready = await ask(
        'Begin something in the application that must not be left (a draft, an open dialog); answer yes when done, no if there is no such thing.',
      );
      if (!ready) throw new CheckSkip('The application has no state in which it does not follow');
      const event = opening(session);
      const before = session.published.length;
      const answer = await session.deliver(event);
      if (statusOf(answer) >= 400) return;
      await session
        .until('a SyncError', () => session.published.slice(before).some(isSyncError), ANSWER_MS)
        .catch(() => {
          throw new CheckFailure(
            'an answer 409, or 202 and then a SyncError',
            `${show(answer.status)} and no SyncError`,
          );
        });
    },
  },
  {
    id: 'app-unknown-fields',
    title: 'It lives with fields and keys that it does not know',
    rule: 'PUB-3',
    requirements: ['S-answer'],
    level: 'SHALL',
    run: async ({ session }) => {
      const event = opening(session);
      const context = [...event.event.context, { key: 'extension', data: { 'user-timezone': '+1:00' } }];
      await session.deliver({ ...event, event: { ...event.event, context } });
    },
  },
  {
    id: 'app-version-gap',
    title: 'After an update that it missed it reads the current context',
    rule: 'CON-5',
    requirements: ['S-gap'],
    level: 'MAY',
    run: async ({ session }) => {
      const report = await tellReport(session, 'DiagnosticReport-update');
      const before = session.contextReads;
      await session.deliver(updateFor(session, report, 'never-sent'));
      await session.until('a GET of the current context', () => session.contextReads > before);
    },
  },
];
