import { operationOutcome } from '@lockstep/fhir';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { doorHeaders } from './doors/guard.ts';
import { refuse } from './plain.ts';
import { splitAddress } from './request-address.ts';

const REASON = 'The address holds a % that begins no UTF-8 character in two hexadecimal digits each';

/**
 * Answers an address that cannot be decoded, in the way of the part that it names: no route and no guard has seen the request.
 * @param https whether clients reach the server by https
 */
export function answerBadAddress(https: boolean) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const [path] = splitAddress(request.url);
    const status = error.statusCode ?? 400;
    const isHub = /^\/hub(\/|$)/.test(path);
    const isFhir = /^\/fhir(\/|$)/.test(path);
    reply.headers(doorHeaders({ shared: isHub || isFhir }, request.headers, request.id, https));
    if (isHub) return refuse(reply, status, REASON);
    if (!isFhir) return reply.code(status).send({ error: 'invalid_request', error_description: REASON });
    reply.type('application/fhir+json; charset=utf-8');
    return reply.code(status).send(JSON.stringify(operationOutcome('structure', REASON)));
  };
}
