import type { FastifyPluginAsync } from 'fastify';

export interface HealthOptions {
  readonly store: { ping(): Promise<void> };
  readonly health: { readonly draining: boolean };
  /** What is wrong with the store though it can be written. */
  readonly watch: { readonly problems: readonly string[] };
}

/** `/health/live`: the process answers. `/health/ready`: it can store events and is not about to stop (503 otherwise). */
export function healthRoutes({ store, health, watch }: HealthOptions): FastifyPluginAsync {
  return async (app) => {
    app.get('/health/live', async () => ({ status: 'live' }));
    app.get('/health/ready', async (_, reply) => {
      if (health.draining) return reply.code(503).send({ status: 'stopping' });
      try {
        await store.ping();
        return { status: 'ready', ...(watch.problems.length > 0 && { warnings: watch.problems }) };
      } catch {
        return reply.code(503).send({ status: 'the store cannot be written' });
      }
    });
  };
}
