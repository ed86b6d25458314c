import { type Command, EXIT } from '../command.ts';
import { askHub, findTopic, HUB_OPTIONS, reachHub } from '../hub-access.ts';

export const sessionsEnd: Command = {
  name: 'sessions end',
  summary: 'End a session: its subscriptions end, what it held is erased',
  options: HUB_OPTIONS,
  examples: [{ line: 'lockstep sessions end --topic T', means: 'end this one' }],
  async run(call) {
    const access = await reachHub(call);
    const topic = await findTopic(call, access);
    await askHub(access, `/session/${encodeURIComponent(topic)}`, { method: 'DELETE' });
    call.terminal.result({ 'hub.topic': topic, ended: true }, () => `ended ${topic}`);
    return EXIT.done;
  },
};
