import type { Command, Option } from './command.ts';
import { COMMON } from './parser.ts';

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

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

export function fishCompletion(commands: readonly Command[]): string {
  const lines = [
    '# Whether the words after lockstep, up to the cursor, are these; with --within, whether they begin with these.',
    'function __lockstep_at',
    '  set -l typed (commandline -opc)[2..-1]',
    '  if test "$argv[1]" = --within; set argv $argv[2..-1]; set typed $typed[1..(count $argv)] 2>/dev/null; end',
    '  test "$typed" = "$argv"',
    'end',
    'complete -c lockstep -n __lockstep_at -f',
  ];
  for (const [first, seconds] of words(commands)) {
    const summary = commands.find(({ name }) => name === first)?.summary ?? seconds.join(', ');
    lines.push(`complete -c lockstep -n __lockstep_at -a ${first} -d ${fishText(summary)}`);
    for (const second of seconds) {
      const { summary: what = '' } = commands.find(({ name }) => name === `${first} ${second}`) ?? {};
      lines.push(`complete -c lockstep -n '__lockstep_at ${first}' -f -a ${second} -d ${fishText(what)}`);
    }
  }
  for (const command of commands) {
    for (const [name, { type, short, choices, file, help }] of optionsOf(command)) {
      const value =
        type === 'boolean' ? '' : choices ? ` -x -a ${fishText(choices.join(' '))}` : file ? ' -r -F' : ' -x';
      const spelt = `-l ${name}${short ? ` -s ${short}` : ''}`;
      const where = `'__lockstep_at --within ${command.name}'`;
      lines.push(`complete -c lockstep -n ${where} ${spelt}${value} -d ${fishText(help)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function powerShellText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function powerShellList(texts: readonly string[]): string {
  return `@(${texts.map(powerShellText).join(', ')})`;
}

export function powerShellCompletion(commands: readonly Command[]): string {
  const tree = [...words(commands)];
  const choices = commands.flatMap((command) =>
    optionsOf(command).flatMap(([name, option]) =>
      option.choices ? [`    ${powerShellText(`${command.name} --${name}`)} = ${powerShellList(option.choices)}`] : [],
    ),
  );
  return `Register-ArgumentCompleter -Native -CommandName lockstep -ScriptBlock {
  param($word, $line, $position)
  # What may come after some words, and the values of options.
  $next = @{
    '' = ${powerShellList([...tree.map(([first]) => first), 'help'])}
${tree
  .filter(([, seconds]) => seconds.length > 0)
  .map(([first, seconds]) => `    ${powerShellText(first)} = ${powerShellList(seconds)}`)
  .join('\n')}
  }
  $options = @{
${commands
  .map(
    (command) =>
      `    ${powerShellText(command.name)} = ${powerShellList(optionsOf(command).map(([name]) => `--${name}`))}`,
  )
  .join('\n')}
  }
  $values = @{
${choices.join('\n')}
  }
  $typed = @($line.CommandElements | Where-Object { $_.Extent.EndOffset -lt $position } | ForEach-Object { $_.ToString() } | Select-Object -Skip 1)
  $command = if ($typed.Count -gt 1 -and $options.ContainsKey("$($typed[0]) $($typed[1])")) { "$($typed[0]) $($typed[1])" } elseif ($typed.Count -gt 0) { $typed[0] } else { '' }
  $last = if ($typed.Count -gt 0) { $typed[-1] } else { '' }
  $found = if ($values.ContainsKey("$command $last")) { $values["$command $last"] }
    elseif ($word -like '-*') { $options[$command] }
    else { $next[$typed -join ' '] }
  $found | Where-Object { $_ -like "$word*" } | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`;
}
