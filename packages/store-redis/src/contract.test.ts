import { after, before, suite } from 'node:test';
import type { LogBounds } from '@lockstep/store';
import { recordStoreContract, type StoreUnderTest, sessionStoreContract } from '@lockstep/store/contract';
import { RedisProcess, startCluster } from '../test/redis-process.ts';
import { openRedis, type RedisOptions } from './index.ts';

let stores = 0;

/** Each store under a prefix of its own: nothing of one is another's. */
async function at(prefix: string, log: LogBounds, options: Omit<RedisOptions, 'log'>): Promise<StoreUnderTest> {
  // A busy machine may keep any part waiting: time-outs are not what is tested here.
  const store = await openRedis({ log, prefix, timeoutMs: 20_000, ...options });
  return {
    sessions: store.sessions,
    records: store.records,
    reopen: async () => {
      await store.close();
      return at(prefix, log, options);
    },
    close: () => store.close(),
  };
}

function contract(
  name: string,
  start: () => Promise<readonly RedisProcess[]>,
  options: () => Omit<RedisOptions, 'log'>,
) {
  suite(name, () => {
    const servers: RedisProcess[] = [];
    before(async () => void servers.push(...(await start())));
    after(() => Promise.all(servers.map((server) => server.remove())));
    const open = (log: LogBounds) => at(`test${++stores}`, log, options());
    sessionStoreContract(name, open);
    recordStoreContract(name, open);
  });
}

let url = '';
const quick = { appendfsync: 'no' };

contract(
  'Redis',
  async () => {
    const server = await RedisProcess.start(quick);
    url = server.url;
    return [server];
  },
  () => ({ url }),
);

contract(
  'Redis with a replica that must confirm',
  async () => {
    const server = await RedisProcess.start(quick);
    const replica = await RedisProcess.start({ ...quick, replicaof: `127.0.0.1 ${server.port}` });
    await replica.inSync();
    url = server.url;
    return [server, replica];
  },
  () => ({ url, replicas: 1 }),
);

contract(
  'Redis Cluster whose replicas must confirm',
  async () => {
    const servers = await startCluster(3, {}, { replicas: true });
    url = `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join()}`;
    return servers;
  },
  () => ({ url, replicas: 1 }),
);

contract(
  'Redis Cluster',
  async () => {
    const servers = await startCluster(3);
    url = `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join()}`;
    return servers;
  },
  () => ({ url }),
);
