import type { FastifyReply } from 'fastify';
import { failureHeaders } from './failure.ts';

/**
 * A refusal that a client's developer can act on: plain text (SUB-2). It is logged without the reason, which may name
 * resources.
 */
export function refuse(reply: FastifyReply, status: number, reason: string, retryAfter = 1): FastifyReply {
  const { method, routeOptions } = reply.request;
  reply.log.info({ status, method, route: routeOptions.url }, 'refused');
  const waits = status === 429 || status === 503;
  return failureHeaders(reply, { status, code: '', ...(waits && { retryAfter }) })
    .type('text/plain; charset=utf-8')
    .send(`${reason}\n`);
}
