import { join } from 'node:path';
import type { FastifyPluginAsync } from 'fastify';
import { ticketRoutes } from '../http/ticket-routes.ts';
import { Launcher } from './launcher.ts';
import { type TicketParts, Tickets } from './tickets.ts';
import { TopicSecrets } from './topic-secrets.ts';

export interface Launching {
  readonly tickets: Tickets;
  readonly launcher: Launcher;
  readonly secrets: TopicSecrets;
  /** Routes below `hub.url`. */
  readonly plugin: FastifyPluginAsync;
}

/**
 * Launches without SMART, from the server's side (LAU-1).
 * @param parts `data` is the server's folder
 */
export function openLaunches(parts: TicketParts & { readonly data: string }): Launching {
  const { authorization, records, clock, hubUrl, data } = parts;
  const tickets = new Tickets(parts);
  return {
    tickets,
    launcher: new Launcher({ authorization, tickets, hubUrl, clock, folder: join(data, 'launches') }),
    secrets: new TopicSecrets(records, () => clock.now()),
    plugin: ticketRoutes({ tickets }),
  };
}
