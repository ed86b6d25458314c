/** The check of a bearer token, in this process: what every request to the Hub goes through first. */
import { cpuOf, openAuthorization } from './authorization.ts';
import { Backend } from './target.ts';

const WARM = 100_000;
const COLD = 2_000;

export interface BearerCost {
  /** CPU µs of a check while what the token stands for is in memory. */
  readonly warm: number;
  /** CPU µs, all threads, of a check that asks the store. */
  readonly cold: number;
}

export async function bearerCost(): Promise<BearerCost> {
  const { server, origin, close } = await openAuthorization();
  try {
    const { token, clientId } = await Backend.register(origin.replace('localhost', '127.0.0.1'));
    const check = () => server.verifyToken(token);
    await cpuOf(WARM, check);
    const warm = await cpuOf(WARM, check);
    const cold = await cpuOf(COLD, () => {
      // As when another node says that something of this client has ended: everything is read again.
      server.invalidate({ clientId, reason: 'benchmark' });
      return check();
    });
    return { warm, cold };
  } finally {
    await close();
  }
}
