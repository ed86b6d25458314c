import type { FastifyPluginAsync } from 'fastify';
import type { Metrics } from '../metrics.ts';

/** `/metrics`: numbers only, nothing of patients, users or clients. */
export function metricsRoute(metrics: Metrics): FastifyPluginAsync {
  return async (app) => {
    app.get('/metrics', async (_, reply) =>
      reply
        .header('cache-control', 'no-store')
        .type(metrics.contentType)
        .send(await metrics.text()),
    );
  };
}
