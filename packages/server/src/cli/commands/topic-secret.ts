import { CliError, type Command, EXIT } from '../command.ts';
import { administer, DATA_OPTION } from '../local-server.ts';

export const topicSecret: Command = {
  name: 'topic secret',
  takes: 'CLIENT_ID',
  summary: 'Make an app a new secret for derived topics',
  details: 'The old secret is void at once.',
  options: DATA_OPTION,
  examples: [{ line: 'lockstep topic secret ID', means: 'prints the secret, once' }],
  async run(call) {
    const [clientId] = call.args;
    if (clientId === undefined) throw new CliError(EXIT.usage, 'which app?', 'lockstep apps list shows them.');
    const made = await administer(call, (administration) => administration.topicSecret(clientId));
    call.terminal.result(made, () => made.topicSecret);
    return EXIT.done;
  },
};
