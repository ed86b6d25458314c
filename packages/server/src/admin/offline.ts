/** Administration of a database that no server has open. */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createAuthorizationServer, NO_PATIENTS, NO_SESSIONS } from '@lockstep/smart';
import type { ServerAuditTrail } from '../audit/audit-trail.ts';
import { openAudit } from '../audit/open-audit.ts';
import { isLoopback, publicUrlOf, readConfig } from '../config.ts';
import { TopicSecrets } from '../launch/topic-secrets.ts';
import { COMMAND_LINE_CLIENT } from '../own-apps.ts';
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
    // There is no sign-in and no launch here: there are no sessions, no patients and no address.
    const authorization = await createAuthorizationServer({
      records,
      clock: systemClock,
      publicUrl: 'http://localhost',
      hubUrl: 'http://localhost/hub',
      loopback: isLoopback(host),
      sessions: NO_SESSIONS,
      patients: NO_PATIENTS,
      sampleUsers: false,
      logger: { info: silent, warn: silent, error: silent },
    });
    const secrets = new TopicSecrets(records, () => systemClock.now());
    const trail = await openAudit(config, publicUrlOf(config, config.port), { info: silent, error: silent });
    return {
      administration: audited(createAdministration(authorization, secrets), trail),
      async close() {
        await trail?.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Records what is changed, as a running server does; its own file says what no server was there to record. */
function audited(administration: Administration, trail: ServerAuditTrail | undefined): Administration {
  if (!trail) return administration;
  const record = async <T>(detail: string, subject: string | undefined, work: Promise<T>): Promise<T> => {
    const done = {
      act: 'administration' as const,
      clientId: COMMAND_LINE_CLIENT,
      user: userInfo().username,
      detail,
      ...(subject !== undefined && { subject }),
    };
    try {
      const result = await work;
      trail.record({ ...done, status: 200 });
      return result;
    } catch (error) {
      trail.record({ ...done, status: 400 });
      throw error;
    }
  };
  return {
    apps: () => administration.apps(),
    users: () => administration.users(),
    registerApp: (metadata) =>
      record('apps register', textOf(metadata.client_name), administration.registerApp(metadata)),
    topicSecret: (clientId) => record('topic secret', clientId, administration.topicSecret(clientId)),
    addUser: (user) => record('users add', user.id, administration.addUser(user)),
    rotateKeys: () => record('keys rotate', undefined, administration.rotateKeys()),
  };
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
