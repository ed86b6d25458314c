import { operationOutcome } from '@lockstep/fhir';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { refuse } from './plain.ts';
import { splitAddress } from './request-address.ts';

const REASON = 'The address holds a % that begins no UTF-8 character in two hexadecimal digits each';

/** Answers an address that cannot be decoded, in the way of the part that it names: no route has seen the request. */
export function answerBadAddress(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const [path] = splitAddress(request.url);
  const status = error.statusCode ?? 400;
  if (/^\/hub(\/|$)/.test(path)) return refuse(reply.header('access-control-allow-origin', '*'), status, REASON);
  if (/^\/fhir(\/|$)/.test(path)) {
    reply.header('access-control-allow-origin', '*').type('application/fhir+json; charset=utf-8');
    return reply.code(status).send(JSON.stringify(operationOutcome('structure', REASON)));
  }
  return reply.code(status).send({ error: 'invalid_request', error_description: REASON });
}
