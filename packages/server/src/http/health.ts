import type { FastifyPluginAsync } from 'fastify';

export interface HealthOptions {
  readonly store: { ping(): Promise<void> };
  readonly health: { readonly draining: boolean };
  /** What is wrong though the store can be written, in words for the operator. */
  readonly warnings: () => readonly string[];
}

/** `/health/live`: the process answers. `/health/ready`: it can store events and is not about to stop (503 otherwise). */
export function healthRoutes({ store, health, warnings }: HealthOptions): FastifyPluginAsync {
  return async (app) => {
    app.get('/health/live', async () => ({ status: 'live' }));
    app.get('/health/ready', async (_, reply) => {
      if (health.draining) return reply.code(503).send({ status: 'stopping' });
      try {
        await store.ping();
        const told = warnings();
        return { status: 'ready', ...(told.length > 0 && { warnings: told }) };
      } catch (error) {
        return reply.code(503).send({ status: `the store cannot be written: ${(error as Error).message}` });
      }
    });
  };
}
