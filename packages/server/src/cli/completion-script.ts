import type { Command, Option } from './command.ts';
import { COMMON } from './help.ts';

/** First words, and the second words of those that have some. */
function words(commands: readonly Command[]): ReadonlyMap<string, readonly string[]> {
  const tree = new Map<string, string[]>();
  for (const { name } of commands) {
    const [first = '', second] = name.split(' ');
    tree.set(first, [...(tree.get(first) ?? []), ...(second === undefined ? [] : [second])]);
  }
  return tree;
}

function optionsOf({ options, raw }: Command): [string, Option][] {
  return raw ? [['help', COMMON.help!]] : Object.entries({ ...options, ...COMMON });
}

/** `case` branches of what completes an option's value. */
function valueCases(commands: readonly Command[]): string {
  const cases: string[] = [];
  for (const command of commands) {
    for (const [name, { choices, file }] of optionsOf(command)) {
      const pattern = `"${command.name} --${name}")`;
      if (choices) cases.push(`    ${pattern} COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$cur")); return;;`);
      else if (file) cases.push(`    ${pattern} COMPREPLY=($(compgen -f -- "$cur")); return;;`);
    }
  }
  return cases.join('\n');
}

export function bashCompletion(commands: readonly Command[]): string {
  const tree = words(commands);
  const seconds = [...tree].filter(([, list]) => list.length > 0);
  return `_lockstep() {
  local cur prev command
  cur="\${COMP_WORDS[COMP_CWORD]}"
  prev="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${[...tree.keys(), 'help'].join(' ')}' -- "$cur"))
    return
  fi
  command="\${COMP_WORDS[1]}"
  case "$command" in
${seconds
  .map(
    ([first, list]) => `    ${first})
      if [ "$COMP_CWORD" -eq 2 ] && [ "\${cur#-}" = "$cur" ]; then
        COMPREPLY=($(compgen -W '${list.join(' ')}' -- "$cur"))
        return
      fi
      case " ${list.join(' ')} " in *" \${COMP_WORDS[2]} "*) command="$command \${COMP_WORDS[2]}";; esac;;`,
  )
  .join('\n')}
  esac
  case "$command $prev" in
${valueCases(commands)}
  esac
  case "$command" in
${commands
  .map((command) => {
    const list = optionsOf(command).map(([name]) => `--${name}`);
    return `    "${command.name}") COMPREPLY=($(compgen -W '${list.join(' ')}' -- "$cur"));;`;
  })
  .join('\n')}
  esac
}
complete -o default -F _lockstep lockstep
`;
}

/** zsh runs bash's completions; where its own are not set up yet, they are first. */
export function zshCompletion(commands: readonly Command[]): string {
  const ready = '(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }';
  return `${ready}\nautoload -Uz bashcompinit && bashcompinit\n${bashCompletion(commands)}`;
}
