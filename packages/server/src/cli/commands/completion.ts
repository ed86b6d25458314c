import { CliError, type Command, EXIT } from '../command.ts';
import { bashCompletion, zshCompletion } from '../completion-script.ts';

export const completion: Command = {
  name: 'completion',
  takes: 'bash|zsh',
  summary: 'Print a script that completes commands and options',
  options: {},
  examples: [
    { line: 'source <(lockstep completion bash)', means: 'in ~/.bashrc' },
    { line: 'source <(lockstep completion zsh)', means: 'in ~/.zshrc, after compinit' },
  ],
  async run({ args, terminal }) {
    const [shell] = args;
    // The table holds this command too: it is read once it is complete.
    const { COMMANDS } = await import('../commands.ts');
    if (shell === 'bash') terminal.raw(bashCompletion(COMMANDS));
    else if (shell === 'zsh') terminal.raw(zshCompletion(COMMANDS));
    else throw new CliError(EXIT.usage, 'for which shell? bash or zsh');
    return EXIT.done;
  },
};
