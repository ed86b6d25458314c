/** Requests counted and timed by route: never by address, which may hold names of patients and topics. */
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { Histogram, type Registry } from 'prom-client';

const BOUNDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

export interface RequestLabels {
  readonly method: string;
  readonly route: string;
  readonly status: number;
}

/** What is done with each request that was answered, with the s that it took. */
export type CountRequest = (of: RequestLabels, seconds: number, headers: IncomingHttpHeaders) => void;

/**
 * @param told called with each request as well
 * @returns counts a request that Fastify does not see
 */
export function countRequests(app: FastifyInstance, registry: Registry, told?: CountRequest): CountRequest {
  const histogram = new Histogram({
    name: 'lockstep_http_request_duration_seconds',
    help: 'Requests by method, route and status',
    labelNames: ['method', 'route', 'status'],
    buckets: BOUNDS,
    registers: [registry],
  });
  const count: CountRequest = (of, seconds, headers) => {
    histogram.observe({ ...of }, seconds);
    told?.(of, seconds, headers);
  };
  app.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions } = request;
    // An unknown method or address is the sender's invention: it must not make a series of its own.
    const known = routeOptions.url !== undefined;
    const route = routeOptions.url ?? 'none';
    count(
      { method: known ? method : 'other', route, status: reply.raw.statusCode },
      reply.elapsedTime / 1000,
      request.headers,
    );
    done();
  });
  return count;
}
