import { CheckSkip, expect } from '../expecting.ts';
import { logoutElements, patient } from '../samples.ts';
import { ANSWER_MS, endpointIn } from './played-session.ts';
import {
  expectShown,
  isSyncError,
  NOBODY_SEES,
  opening,
  type SubscriberCheck,
  statusOf,
  subscription,
} from './scenario.ts';

/** How long an application may take to come back, ms where nothing is slow: those in use wait up to ten seconds. */
const RETURNING = 20_000;

/** How an application ends, and what it does where others end it; it is quit last, so that one start is enough. */
export const ending: readonly SubscriberCheck[] = [
  {
    id: 'app-returns',
    title: 'When it loses the connection it comes back',
    rule: 'SUB-11',
    requirements: ['S-lost'],
    level: 'SHOULD',
    safety: true,
    own: true,
    run: async ({ session }) => {
      await session.deliver(opening(session));
      const before = session.connections;
      session.drop();
      await session.until('another connection', () => session.connections > before, RETURNING);
      // It is back when it follows again.
      await session.deliver(opening(session));
    },
  },
  {
    id: 'app-returns-to-current',
    title: 'When it comes back it follows what was opened while it was away',
    rule: 'SUB-11',
    requirements: ['S-lost-context', 'S-lost'],
    level: 'SHOULD',
    safety: true,
    own: true,
    run: async ({ session, shown }) => {
      if (!shown) throw new CheckSkip(NOBODY_SEES);
      const [before, meanwhile] = [patient(), patient()];
      await session.deliver(opening(session, before));
      await expectShown(session, shown, before.id);
      const { connections } = session;
      session.drop();
      const missed = opening(session, meanwhile);
      session.keep(missed);
      await session.until('another connection', () => session.connections > connections, RETURNING);
      // Who subscribes again is told what is open: the event as it was published, with its time (2.4).
      session.tell(missed);
      await expectShown(session, shown, meanwhile.id);
    },
  },
  {
    id: 'app-renews',
    title: 'Before or after the end of its lease it subscribes again',
    rule: 'SUB-6',
    requirements: ['S-renew'],
    level: 'MAY',
    own: true,
    run: async ({ session }) => {
      const before = session.forms.length;
      // Longer where everything takes longer: the renewal has to come in it.
      const lease = Math.ceil(1 + 2 * session.pace.factor);
      session.behaviour.leaseSeconds = lease;
      session.send({
        'hub.mode': 'subscribe',
        'hub.topic': session.topic,
        'hub.events': subscription(session).fields.get('hub.events'),
        'hub.lease_seconds': lease,
      });
      const renewed = () => session.forms.length > before;
      await session.within(lease * 1000, renewed);
      if (!renewed()) session.expire();
      session.behaviour.leaseSeconds = 3600;
      await session.until('another subscription request', renewed, RETURNING);
    },
  },
  {
    id: 'app-denied',
    title: 'After a denial it leaves the endpoint alone',
    rule: 'SUB-10',
    requirements: ['S-denied', 'S-new-endpoint'],
    level: 'SHOULD',
    own: true,
    run: async ({ session }) => {
      await session.deliver(opening(session));
      const [closes, dead] = [session.closes.length, session.deadConnections];
      session.deny('session unexpectedly stopped');
      await session.until('the end of the connection', () => session.closes.length > closes);
      // An application that came back by a new subscription no longer uses the old endpoint.
      const connections = session.connections;
      await session.within(session.pace.settleMs * 8, () => session.connections > connections);
      await session.settle();
      const since = session.deadConnections - dead;
      expect(since === 0, 'no connection to an endpoint that is over', `${since} of them`);
    },
  },
  {
    id: 'app-logout',
    title: 'When its user logs out elsewhere it shows the patient no longer, or says why',
    rule: 'PUB-10',
    requirements: ['S-logout'],
    level: 'SHOULD',
    safety: true,
    own: true,
    run: async ({ session, shown }) => {
      if (!session.wants('UserLogout')) throw new CheckSkip('The application does not subscribe to UserLogout');
      if (!shown) throw new CheckSkip(NOBODY_SEES);
      const of = patient();
      await session.deliver(opening(session, of));
      await expectShown(session, shown, of.id);
      const [before, closes] = [session.published.length, session.closes.length];
      const logout = session.event('UserLogout', logoutElements());
      session.tell(logout);
      const refused = () =>
        session.published.slice(before).some(isSyncError) ||
        session.answers.some((answer) => answer.id === logout.id && statusOf(answer) >= 400);
      const left = async () => refused() || session.closes.length > closes || (await shown()) !== of.id;
      await session.until(`the application to leave ${of.id}, or to say that it does not`, left, ANSWER_MS);
    },
  },
  {
    id: 'app-shutdown',
    title: 'When it is quit it unsubscribes and closes with 1000',
    rule: 'SUB-9',
    requirements: ['S-shutdown', 'S-unsubscribe', 'S-form', 'S-bearer'],
    level: 'SHALL',
    own: true,
    run: async ({ session, ask, quit }) => {
      await session.deliver(opening(session));
      const { endpoint, unsubscription } = session;
      const closes = session.closes.length;
      if (quit) await quit();
      else if (!(await ask?.('Quit the application in the normal way now.')))
        throw new CheckSkip('Nobody can quit the application');
      await session.until('the end of the connection', () => session.closes.length > closes);
      // The two are on their way at once: the request may come last.
      await session.until('a request to end the subscription', () => session.unsubscription !== unsubscription);
      const request = session.unsubscription!;
      const named = request.fields.get('hub.topic') === session.topic && endpointIn(request) === endpoint;
      expect(named, 'hub.topic and hub.channel.endpoint of the subscription', request.fields.toString());
      const isForm = /^application\/x-www-form-urlencoded\b/i.test(request.contentType);
      expect(isForm, 'Content-Type: application/x-www-form-urlencoded', request.contentType);
      const same = request.authorization === session.subscription?.authorization;
      expect(same, 'the Authorization header of the subscription', same ? '' : 'another one, or none');
      const { code } = session.closes.at(-1)!;
      expect(code === 1000, 'a close with 1000', code);
    },
  },
];
