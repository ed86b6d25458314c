/** The management port: health and metrics, off the public one. */
import Fastify, { type FastifyBaseLogger, type FastifyPluginAsync, LogController } from 'fastify';
import type { Listener } from './listener.ts';

export interface Management {
  close(): Promise<void>;
}

/** @param listener has its port already */
export async function openManagement(
  listener: Listener,
  log: FastifyBaseLogger,
  plugins: readonly FastifyPluginAsync[],
): Promise<Management> {
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
    async close() {
      await app.close();
      await listener.close();
    },
  };
}
