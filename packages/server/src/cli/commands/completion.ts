import { CliError, type Command, EXIT } from '../command.ts';
import { bashCompletion, fishCompletion, powerShellCompletion, zshCompletion } from '../completion-script.ts';

const SCRIPTS = new Map([
  ['bash', bashCompletion],
  ['zsh', zshCompletion],
  ['fish', fishCompletion],
  ['powershell', powerShellCompletion],
]);

/** @param commands all commands, this one too: asked for when it runs */
export const completionOf = (commands: () => readonly Command[]): Command => ({
  name: 'completion',
  takes: 'bash|zsh|fish|powershell',
  summary: 'Print a script that completes commands and options',
  options: {},
  examples: [
    { line: 'source <(lockstep completion bash)', means: 'in ~/.bashrc' },
    { line: 'source <(lockstep completion zsh)', means: 'in ~/.zshrc, after compinit' },
    { line: 'lockstep completion fish | source', means: 'in ~/.config/fish/config.fish' },
    { line: 'lockstep completion powershell | Out-String | Invoke-Expression', means: 'in $PROFILE' },
  ],
  async run({ args: [shell = ''], terminal }) {
    const script = SCRIPTS.get(shell);
    if (!script) throw new CliError(EXIT.usage, `for which shell? ${[...SCRIPTS.keys()].join(', ')}`);
    terminal.raw(script(commands()));
    return EXIT.done;
  },
});
