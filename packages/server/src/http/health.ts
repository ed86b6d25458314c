import type { FastifyPluginAsync } from 'fastify';

export interface HealthOptions {
  readonly store: { ping(): Promise<void> };
  readonly health: { readonly draining: boolean };
}

/** `/health/live`: the process answers. `/health/ready`: it can store events and is not about to stop (503 otherwise). */
export function healthRoutes({ store, health }: HealthOptions): FastifyPluginAsync {
  return async (app) => {
    app.get('/health/live', async () => ({ status: 'live' }));
    app.get('/health/ready', async (_, reply) => {
      if (health.draining) return reply.code(503).send({ status: 'stopping' });
      try {
        await store.ping();
        return { status: 'ready' };
      } catch {
        return reply.code(503).send({ status: 'the store cannot be written' });
      }
    });
  };
}
