/** `POST {hub.url}/ticket` makes a one-time launch ticket, `POST {hub.url}/ticket/{ticket}` redeems it (LAU-1). */
import { OAuthError } from '@lockstep/smart';
import type { FastifyPluginAsync } from 'fastify';
import type { Tickets } from '../launch/tickets.ts';
import { answerOAuthErrors, jsonBody, optionalText, requiredText } from './json-bodies.ts';

export interface TicketRouteOptions {
  readonly tickets: Tickets;
}

export function ticketRoutes({ tickets }: TicketRouteOptions): FastifyPluginAsync {
  return async (app) => {
    answerOAuthErrors(app);
    // A launched program may send its request with a form's content type, or none: nothing in the body counts.
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, _body, done) => done(null, undefined));
    app.addHook('onRequest', async (_, reply) => {
      reply.header('access-control-allow-origin', '*').header('cache-control', 'no-store').header('pragma', 'no-cache');
    });

    app.post('/ticket', async (request, reply) => {
      const { caller } = request;
      if (!caller) throw new OAuthError('invalid_token', 'a valid bearer token is required', 401);
      const body = jsonBody(request);
      const user = optionalText(body, 'user');
      const topic = optionalText(body, 'topic');
      const scope = optionalText(body, 'scope', 2000);
      const answer = await tickets.request(caller, {
        clientId: requiredText(body, 'client_id'),
        ...(user !== undefined && { user }),
        ...(topic !== undefined && { topic }),
        ...(scope !== undefined && { scope }),
      });
      return reply.code(201).send(answer);
    });

    app.post<{ Params: { ticket: string } }>('/ticket/:ticket', async (request, reply) => {
      const redeemed = await tickets.redeem(request.params.ticket);
      if (!redeemed) throw new OAuthError('invalid_grant', 'the ticket is unknown, spent or too old');
      return reply.send(redeemed);
    });
  };
}
