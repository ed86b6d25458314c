import { LAUNCH_FORMS, type Launched } from '../../launch/launch-forms.ts';
import { CliError, type Command, EXIT } from '../command.ts';
import { DATA_OPTION, requireServer } from '../local-server.ts';
import { runProgram } from '../program.ts';

function launchText(launched: Launched): string {
  switch (launched.form) {
    case 'smart':
      return launched.launch_url;
    case 'web':
      return launched.url;
    case 'switches':
      return launched.command_line;
    case 'file':
      return `${launched.folder}/${launched.file}`;
    case 'ticket':
      return launched.ticket_url;
  }
}

export const appsLaunch: Command = {
  name: 'apps launch',
  takes: 'CLIENT_ID [-- PROGRAM ...]',
  summary: 'Launch a registered app for a user',
  details: `Prints what starts the app: an address, switches, the file that was dropped, or a ticket. Each but smart brings a
ticket for the app's token, good once and for a minute. With a program after --, the program is started with the switches.`,
  options: {
    user: { type: 'string', short: 'u', value: 'USER', help: 'the user who works with it' },
    topic: { type: 'string', short: 't', value: 'TOPIC', help: "the user's session; the latest one, else a new one" },
    form: { type: 'string', choices: LAUNCH_FORMS, help: 'how; by default as the app is registered' },
    ...DATA_OPTION,
  },
  examples: [
    { line: 'lockstep apps launch ID --user lokafor', means: 'as it is registered' },
    { line: 'lockstep apps launch ID --user lokafor --form ticket', means: 'a ticket alone' },
    {
      line: 'lockstep apps launch ID --user lokafor -- ./pacs --full-screen',
      means: 'start a program with the switches',
    },
  ],
  async run(call) {
    const { args, rest, values, terminal, signal } = call;
    const [clientId] = args;
    if (clientId === undefined) throw new CliError(EXIT.usage, 'which app?', 'lockstep apps list shows them.');
    const form = rest.length > 0 ? 'switches' : values.text('form');
    const topic = values.text('topic');
    const server = await requireServer(call);
    const launched = await server.launch(clientId, {
      user: values.required('user'),
      ...(topic !== undefined && { topic }),
      ...(form !== undefined && { form }),
    });
    if (launched.form === 'switches' && rest.length > 0) return runProgram([...rest, ...launched.arguments], signal);
    terminal.result(launched, () => launchText(launched));
    return EXIT.done;
  },
};
