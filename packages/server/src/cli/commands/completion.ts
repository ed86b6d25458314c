import { CliError, type Command, EXIT } from '../command.ts';
import { bashCompletion, zshCompletion } from '../completion-script.ts';

/** @param commands all commands, this one too: asked for when it runs */
export const completionOf = (commands: () => readonly Command[]): Command => ({
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
    if (shell === 'bash') terminal.raw(bashCompletion(commands()));
    else if (shell === 'zsh') terminal.raw(zshCompletion(commands()));
    else throw new CliError(EXIT.usage, 'for which shell? bash or zsh');
    return EXIT.done;
  },
});
