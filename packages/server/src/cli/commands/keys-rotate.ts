import { type Command, EXIT } from '../command.ts';
import { administer, DATA_OPTION } from '../local-server.ts';

export const keysRotate: Command = {
  name: 'keys rotate',
  summary: 'Make a new key for signing id tokens',
  details: 'The old key is published for another hour, so that tokens signed with it are still accepted.',
  options: DATA_OPTION,
  examples: [{ line: 'lockstep keys rotate', means: "prints the new key's id" }],
  async run(call) {
    const { kid } = await administer(call, (administration) => administration.rotateKeys());
    call.terminal.result({ kid }, () => `the new key is ${kid}`);
    return EXIT.done;
  },
};
