import type { FastifyPluginAsync } from 'fastify';
import { type AsyncApiOptions, asyncApi } from './asyncapi.ts';
import { type ApiOptions, openApi } from './openapi.ts';

/** s. */
const MAX_AGE = 300;

/**
 * Serves the server's own description. To be registered after every other route; a route that is not described stops the start.
 * @param options `routes` grows while routes are added, these two as well
 */
export function apiRoutes(options: ApiOptions & AsyncApiOptions): FastifyPluginAsync {
  return async (app) => {
    const documents = new Map<string, () => object>([
      ['/openapi.json', () => openApi(options)],
      ['/asyncapi.json', () => asyncApi(options)],
    ]);
    for (const [path, make] of documents) {
      let text = '';
      app.get(path, (_, reply) => {
        return reply.header('cache-control', `public, max-age=${MAX_AGE}`).type('application/json').send(text);
      });
      app.addHook('onReady', async () => {
        text = JSON.stringify(make());
      });
    }
  };
}
