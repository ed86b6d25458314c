import { deriveTopic } from '@lockstep/fhircast';
import { CliError, type Command, EXIT } from '../command.ts';
import { readSecret, SECRET_OPTIONS } from '../topic-secret.ts';

export const topicDerive: Command = {
  name: 'topic derive',
  takes: 'USER',
  summary: 'Compute the topic of a user’s session from a shared secret',
  details: `For apps that users start by themselves: the Hub decrypts the topic to the user's session. It must be used within five minutes,
by one subscriber.`,
  options: SECRET_OPTIONS,
  examples: [{ line: 'TOPIC_SECRET=… lockstep topic derive jsmith', means: 'prints the topic' }],
  async run(call) {
    const [user] = call.args;
    if (user === undefined) throw new CliError(EXIT.usage, 'whose session?');
    const secret = await readSecret(call);
    try {
      const topic = await deriveTopic(user, secret);
      call.terminal.result({ 'hub.topic': topic }, () => topic);
      return EXIT.done;
    } catch (error) {
      if (error instanceof TypeError) throw new CliError(EXIT.usage, error.message);
      throw error;
    }
  },
};
