import type { FastifyReply } from 'fastify';

/**
 * A refusal that a client's developer can act on: plain text (SUB-2). It is logged without the reason, which may name
 * resources.
 */
export function refuse(reply: FastifyReply, status: number, reason: string): FastifyReply {
  const { method, routeOptions } = reply.request;
  reply.log.info({ status, method, route: routeOptions.url }, 'refused');
  if (status === 401 && !reply.hasHeader('www-authenticate'))
    reply.header('www-authenticate', 'Bearer realm="Lockstep"');
  if (status === 429 || status === 503) reply.header('retry-after', '1');
  return reply.code(status).type('text/plain; charset=utf-8').send(`${reason}\n`);
}
