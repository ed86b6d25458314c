import { resolve } from 'node:path';
import type { BackupReport } from '@lockstep/store-sqlite';
import type { FastifyInstance } from 'fastify';
import { type AppsAndUsers, adminRoutes } from '../http/admin-routes.ts';
import { announceRunning, localUrl, newAdminToken } from './running.ts';

export interface AdministrationParts {
  readonly data: string;
  readonly host: string;
  readonly port: number;
  readonly publicUrl: string;
  /** File with the server's certificate, where it speaks https itself. */
  readonly certificateFile?: string;
  readonly version: string;
  readonly appsAndUsers: AppsAndUsers | undefined;
  /** Copies the database into a new file; absent where the state is on Redis. */
  readonly backup?: (path: string) => Promise<BackupReport>;
}

/**
 * Lets commands on this machine administer the server.
 * @returns a function that announces its address, once it is ready; that one returns a function that withdraws it
 */
export async function openAdministration(
  app: FastifyInstance,
  parts: AdministrationParts,
): Promise<() => Promise<() => Promise<void>>> {
  const { data, host, port, publicUrl, certificateFile, version, appsAndUsers, backup } = parts;
  const token = newAdminToken();
  await app.register(
    adminRoutes({
      token,
      about: {
        version,
        origin: publicUrl,
        hubUrl: `${publicUrl}/hub`,
        ...(appsAndUsers && { fhirUrl: `${publicUrl}/fhir` }),
      },
      appsAndUsers,
      ...(backup && { backup }),
    }),
    { prefix: '/api/admin' },
  );
  const secure = certificateFile !== undefined;
  const where = {
    url: localUrl(host, port, secure),
    origin: publicUrl,
    ...(secure && { certificateFile: resolve(certificateFile) }),
  };
  return () => announceRunning(data, { ...where, token });
}
