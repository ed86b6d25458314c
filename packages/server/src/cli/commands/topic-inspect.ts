import { openDerivedTopic } from '@lockstep/fhircast';
import { CliError, type Command, EXIT } from '../command.ts';
import { readSecret, SECRET_OPTIONS } from '../topic-secret.ts';

export const topicInspect: Command = {
  name: 'topic inspect',
  takes: 'TOPIC',
  summary: 'Show what a derived topic holds',
  options: SECRET_OPTIONS,
  examples: [{ line: 'lockstep topic inspect T --secret-file secret.txt', means: 'user, time and nonce' }],
  async run(call) {
    const [topic] = call.args;
    if (topic === undefined) throw new CliError(EXIT.usage, 'which topic?');
    const secret = await readSecret(call);
    const opened = await openDerivedTopic(topic, secret).catch((error: unknown) => {
      if (error instanceof TypeError) throw new CliError(EXIT.usage, error.message);
      throw error;
    });
    if (!opened) throw new CliError(EXIT.failed, 'the topic was not made with this secret, or was changed since');
    const seconds = Math.round((Date.now() - opened.issuedAt) / 1000);
    const value = {
      user: opened.user,
      issuedAt: new Date(opened.issuedAt).toISOString(),
      ageSeconds: seconds,
      nonce: opened.nonce,
    };
    call.terminal.result(
      value,
      () => `user   ${opened.user}\nmade   ${value.issuedAt} (${seconds} s ago)\nnonce  ${opened.nonce}`,
    );
    return EXIT.done;
  },
};
