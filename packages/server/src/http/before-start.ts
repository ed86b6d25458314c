/** What is answered while the server cannot begin yet. */
import type { BeforeOpen } from './listener.ts';
import { refuseUpgrade } from './sockets.ts';

/** s after which a client may come again. */
const RETRY_AFTER = 5;

/** Says that the process lives and is not ready, and refuses all else with 503. @param why in words for whoever operates it */
export function beforeStart(why: string): BeforeOpen {
  return {
    request({ url = '' }, response) {
      const [path] = url.split('?');
      const isHealth = path === '/health/live' || path === '/health/ready';
      const status = path === '/health/live' ? 200 : 503;
      const body = isHealth ? JSON.stringify({ status: status === 200 ? 'live' : why }) : 'Try again later\n';
      response.writeHead(status, {
        'content-type': isHealth ? 'application/json; charset=utf-8' : 'text/plain; charset=utf-8',
        'cache-control': 'no-store',
        ...(status === 503 && { 'retry-after': String(RETRY_AFTER) }),
      });
      response.end(body);
    },
    upgrade: (_request, socket) => refuseUpgrade(socket, '503 Service Unavailable', 'Try again later'),
  };
}
