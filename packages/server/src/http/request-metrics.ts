/** Requests counted and timed by route: never by address, which may hold names of patients and topics. */
import type { FastifyInstance } from 'fastify';
import { Histogram, type Registry } from 'prom-client';

const BOUNDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

export function countRequests(app: FastifyInstance, registry: Registry): void {
  const seconds = new Histogram({
    name: 'lockstep_http_request_duration_seconds',
    help: 'Requests by method, route and status',
    labelNames: ['method', 'route', 'status'],
    buckets: BOUNDS,
    registers: [registry],
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions } = request;
    // An unknown method or address is the sender's invention: it must not make a series of its own.
    const known = routeOptions.url !== undefined;
    const labels = {
      method: known ? method : 'other',
      route: routeOptions.url ?? 'none',
      status: reply.raw.statusCode,
    };
    seconds.observe(labels, reply.elapsedTime / 1000);
    done();
  });
}
