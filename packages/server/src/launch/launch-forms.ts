import type { LaunchAnswer } from '@lockstep/smart';
import type { TicketAnswer } from './tickets.ts';

/** The ways in which a registered app can be started. */
export const LAUNCH_FORMS = ['smart', 'web', 'switches', 'file', 'ticket'] as const;
export type LaunchForm = (typeof LAUNCH_FORMS)[number];

/** What starts an app. */
export type Launched =
  | ({ readonly form: 'smart' } & LaunchAnswer)
  | { readonly form: 'web'; readonly url: string }
  | {
      readonly form: 'switches';
      /** One element an argument: `/hub.url:…`. */
      readonly arguments: readonly string[];
      /** The same with the program, as Windows takes it. */
      readonly command_line: string;
    }
  | { readonly form: 'file'; readonly folder: string; readonly file: string }
  | ({ readonly form: 'ticket' } & TicketAnswer);
