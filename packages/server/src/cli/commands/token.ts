import { CliError, type Command, EXIT } from '../command.ts';
import { HUB_OPTIONS, reachHub } from '../hub-access.ts';

export const token: Command = {
  name: 'token',
  summary: 'Print an access token for the Hub, for curl and other tools',
  details:
    'Without further options, one of the server on this machine that sees every session, for an hour. It opens what the other commands open: keep it to yourself.',
  options: HUB_OPTIONS,
  examples: [
    { line: 'TOKEN=$(lockstep token)', means: 'of the local server' },
    { line: 'lockstep token --scope fhircast/Patient-open.read', means: 'one that may do less' },
    {
      line: 'lockstep token --hub https://hub.example.com/hub --client-id ID --key key.json',
      means: 'of a backend client',
    },
  ],
  async run(call) {
    const access = await reachHub(call);
    if (!access.token) throw new CliError(EXIT.usage, 'nothing says how to get a token', 'Give --client-id and --key.');
    const text = await access.token(false);
    call.terminal.result({ access_token: text }, () => text);
    return EXIT.done;
  },
};
