/** Puts Lockstep together: one store, one Hub, and what its role puts around the Hub, on one port. */
import type { Hub } from '@lockstep/hub';
import type { ServerAuditTrail } from './audit/audit-trail.ts';
import type { Config } from './config.ts';
import type { Inspector } from './inspector.ts';
import { openLog } from './log.ts';
import { ServerParts } from './start/parts.ts';
import type { Start } from './start/start.ts';
import { startDoors } from './start/start-doors.ts';
import { startHub } from './start/start-hub.ts';
import { startPorts } from './start/start-ports.ts';
import { startStore } from './start/start-store.ts';
import { openStore } from './store.ts';

/** A running Lockstep. */
export interface Lockstep {
  /** What clients use, without a trailing slash; with a path where a proxy serves Lockstep below one. */
  readonly origin: string;
  readonly port: number;
  readonly hub: Hub;
  readonly inspector: Inspector;
  /** What is served over HTTP, `GET /hub/session`; `*` for a rest of any length. `docs/api/http.md` lists them. */
  readonly routes: readonly string[];
  /** The first administrator and the password to show once; only at the first start of a server that others can reach. */
  readonly firstAdministrator?: { readonly user: string; readonly password: string };
  /** The audit trail, where there is one. */
  readonly audit?: ServerAuditTrail;
  /** The management port, where there is one. */
  readonly managementPort?: number;
  /**
   * Takes over what can change while it runs: the log's level, the certificate, and files that were renamed.
   * @param changed the configuration as it is now
   * @throws ConfigError; everything stays as it was then
   */
  reload(changed: Config): Promise<void>;
  /** Closes sockets with 1012, finishes what was begun, closes the store. */
  close(): Promise<void>;
}

/**
 * Starts Lockstep; it is ready when this resolves. What was started is stopped again when a later part cannot start.
 * @param open opens what everything is kept in
 * @param signal ends the wait for room on a full disk, where the store cannot be made yet
 * @throws when the port is taken or the store cannot be used
 */
export async function startLockstep(
  config: Config,
  open: typeof openStore = openStore,
  signal?: AbortSignal,
): Promise<Lockstep> {
  const log = openLog(config.logLevel);
  const parts = new ServerParts();
  const failed = (error: unknown): void => log.error({ err: error }, 'work in the background failed');
  const stop = (): Promise<void> =>
    parts.stop((name, error) => log.error({ err: error, part: name }, 'a part of the server could not be stopped'));
  try {
    return { ...(await startParts({ config, log, parts, failed, signal }, open)), close: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts the parts, each after those that it needs; they stop in the opposite order. */
async function startParts(start: Start, open: typeof openStore): Promise<Omit<Lockstep, 'close'>> {
  const ports = await startPorts(start);
  const store = await startStore(start, ports, open);
  const opened = await startHub(start, ports, store);
  const { routes } = await startDoors(start, ports, store, opened);
  const { hub, inspector, audit, role } = opened;
  return {
    origin: ports.publicUrl,
    port: ports.listener.port,
    hub,
    inspector,
    routes,
    ...(ports.management && { managementPort: ports.management.port }),
    ...(audit && { audit }),
    ...(role.firstAdministrator && { firstAdministrator: role.firstAdministrator }),
    async reload(changed) {
      // First what may be refused: then nothing has changed.
      const showNewCertificate = ports.renewal(changed);
      start.log.level = changed.logLevel;
      showNewCertificate();
      await audit?.reopen();
    },
  };
}
