/** First step of the start: the ports are taken, before anything is opened for a server that could not be reached. */
import { type Config, ConfigError, publicUrlOf } from '../config.ts';
import { basePathOf } from '../http/base-path.ts';
import { Listener } from '../http/listener.ts';
import { type Certificate, readCertificate } from '../http/tls-files.ts';
import type { Start } from './start.ts';

/** The ports, and what they show. */
export interface ServedPorts {
  readonly listener: Listener;
  /** The management port's, where the configuration has one; nothing is served there yet. */
  readonly management: Listener | undefined;
  /** What clients use, without a trailing slash; with a path where a proxy serves one. */
  readonly publicUrl: string;
  readonly hubUrl: string;
  /** When the certificate that is shown ends, ms since the epoch; undefined where a proxy speaks https, and where none is used. */
  readonly certificateEnds: (() => number) | undefined;
  /**
   * Reads the certificate that a changed configuration names.
   * @returns shows it from then on
   * @throws ConfigError for one that cannot be used; the one before stays
   */
  renewal(changed: Config): () => void;
}

/** @throws ConfigError when a port cannot be listened on or the certificate cannot be used */
export async function startPorts({ config, parts }: Start): Promise<ServedPorts> {
  let certificate = certificateOf(config);
  const listener = await parts.start({
    name: 'port',
    start: async () => {
      const taken = new Listener({ certificate, basePath: basePathOf(config.publicUrl) });
      await taken.listen(config.port, config.host).catch((error) => {
        throw portError('PORT', 'LOCKSTEP_HOST', config.port, config.host, error);
      });
      return taken;
    },
    stop: (taken) => taken.close(),
  });
  const { managementPort, managementHost = config.host } = config;
  const management = await parts.start({
    name: 'management port',
    async start() {
      if (managementPort === undefined) return undefined;
      const taken = new Listener();
      await taken.listen(managementPort, managementHost).catch((error) => {
        throw portError('LOCKSTEP_MANAGEMENT_PORT', 'LOCKSTEP_MANAGEMENT_HOST', managementPort, managementHost, error);
      });
      return taken;
    },
    stop: (taken) => taken?.close(),
  });
  const publicUrl = publicUrlOf(config, listener.port);
  return {
    listener,
    management,
    publicUrl,
    hubUrl: `${publicUrl}/hub`,
    certificateEnds: certificate && (() => certificate?.expiresAt ?? 0),
    renewal(changed) {
      const renewed = certificateOf(changed);
      return () => {
        if (!renewed) return;
        certificate = renewed;
        listener.renew(renewed);
      };
    },
  };
}

function certificateOf({ tlsCert, tlsKey }: Config): Certificate | undefined {
  return tlsCert === undefined || tlsKey === undefined ? undefined : readCertificate(tlsCert, tlsKey);
}

const LISTEN_PROBLEMS: Readonly<
  Record<string, (port: number, host: string) => readonly [setting: 'port' | 'host', text: string]>
> = {
  EADDRINUSE: (port) => ['port', `the port ${port} is taken by another program: choose another, or 0 for a free one`],
  EACCES: (port) => ['port', `the port ${port} is for privileged programs: choose one from 1024 on`],
  ENOTFOUND: (_, host) => [
    'host',
    `no address is known for ${host}: choose one of this machine, such as 127.0.0.1, or 0.0.0.0 for all`,
  ],
  EAI_AGAIN: (_, host) => [
    'host',
    `no address is known for ${host}: choose one of this machine, such as 127.0.0.1, or 0.0.0.0 for all`,
  ],
  EADDRNOTAVAIL: (_, host) => [
    'host',
    `${host} is no address of this machine: choose one of its own, or 0.0.0.0 for all`,
  ],
};

/** What cannot be listened on, in words for the operator. */
function portError(
  portName: string,
  hostName: string,
  port: number,
  host: string,
  error: NodeJS.ErrnoException,
): Error {
  const [setting, text] = LISTEN_PROBLEMS[error.code ?? '']?.(port, host) ?? [];
  return setting === undefined ? error : new ConfigError([`${setting === 'port' ? portName : hostName}: ${text}`]);
}
