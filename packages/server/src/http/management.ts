/** The management port: health and metrics, off the public one. */
import Fastify, { type FastifyBaseLogger, type FastifyPluginAsync, LogController } from 'fastify';
import { Listener } from './listener.ts';

export interface Management {
  readonly port: number;
  close(): Promise<void>;
}

/** @throws when the port is taken */
export async function openManagement(
  port: number,
  host: string,
  log: FastifyBaseLogger,
  plugins: readonly FastifyPluginAsync[],
): Promise<Management> {
  const listener = new Listener();
  await listener.listen(port, host);
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: 'idle',
    serverFactory: (handler) => listener.serve(handler),
  });
  for (const plugin of plugins) await app.register(plugin);
  await app.ready();
  listener.open((_request, socket) => socket.destroy());
  return {
    port: listener.port,
    async close() {
      await app.close();
      await listener.close();
    },
  };
}
