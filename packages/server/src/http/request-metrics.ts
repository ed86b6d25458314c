/** Requests counted and timed by route: never by address, which may hold names of patients and topics. */
import type { FastifyInstance } from 'fastify';
import { Histogram, type Registry } from 'prom-client';

const BOUNDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

export interface RequestLabels {
  readonly method: string;
  readonly route: string;
  readonly status: number;
}

/** @returns counts a request that Fastify does not see, with the s that it took */
export function countRequests(app: FastifyInstance, registry: Registry): (of: RequestLabels, seconds: number) => void {
  const histogram = new Histogram({
    name: 'lockstep_http_request_duration_seconds',
    help: 'Requests by method, route and status',
    labelNames: ['method', 'route', 'status'],
    buckets: BOUNDS,
    registers: [registry],
  });
  const count = ({ method, route, status }: RequestLabels, seconds: number): void =>
    histogram.observe({ method, route, status }, seconds);
  app.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions } = request;
    // An unknown method or address is the sender's invention: it must not make a series of its own.
    const known = routeOptions.url !== undefined;
    const route = routeOptions.url ?? 'none';
    count({ method: known ? method : 'other', route, status: reply.raw.statusCode }, reply.elapsedTime / 1000);
    done();
  });
  return count;
}
