/** Administration of a database that no server has open. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthorizationServer } from '@lockstep/smart';
import { isLoopback, readConfig } from '../config.ts';
import { TopicSecrets } from '../launch/topic-secrets.ts';
import { openStore } from '../store.ts';
import { systemClock } from '../system.ts';
import { type Administration, createAdministration } from './administration.ts';

export interface Offline {
  readonly administration: Administration;
  close(): Promise<void>;
}

const silent = (): undefined => undefined;

/**
 * @returns undefined where there is no database
 * @throws Error when another process has it open, or it cannot be reached
 */
export async function openOffline(data: string, env: NodeJS.ProcessEnv): Promise<Offline | undefined> {
  const config = readConfig({ ...env, LOCKSTEP_DATA: data });
  const { host, redisUrl } = config;
  if (redisUrl === undefined && !existsSync(join(data, 'lockstep.db'))) return undefined;
  const store = await openStore(config);
  try {
    const { records } = store;
    // Nobody signs in or launches here: there are no sessions, no patients and no address.
    const authorization = await createAuthorizationServer({
      records,
      clock: systemClock,
      origin: 'http://localhost',
      hubUrl: 'http://localhost/hub',
      loopback: isLoopback(host),
      sessions: {
        ofUser: async () => [],
        open: () => Promise.reject(new Error('no server runs')),
        belongsTo: async () => false,
      },
      patients: {
        search: async () => [],
        patient: async () => undefined,
        encounters: async () => [],
        hasStudy: async () => false,
        practitioner: async () => undefined,
      },
      sampleUsers: false,
      logger: { info: silent, warn: silent, error: silent },
    });
    const secrets = new TopicSecrets(records, () => systemClock.now());
    return { administration: createAdministration(authorization, secrets), close: () => store.close() };
  } catch (error) {
    await store.close();
    throw error;
  }
}
