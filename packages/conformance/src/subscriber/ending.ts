import { CheckSkip, expect } from '../expecting.ts';
import { endpointIn } from './played-session.ts';
import { opening, type SubscriberCheck, subscription } from './scenario.ts';

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
    id: 'app-shutdown',
    title: 'When it is quit it unsubscribes and closes with 1000',
    rule: 'SUB-9',
    requirements: ['S-shutdown', 'S-unsubscribe'],
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
      const { code } = session.closes.at(-1)!;
      expect(code === 1000, 'a close with 1000', code);
    },
  },
];
