import { buildArguments, LaunchError } from '@lockstep/fhircast';
import { CliError, type Command, EXIT } from '../command.ts';
import { runProgram } from '../program.ts';
import { LAUNCH_OPTIONS, launchOf } from './launch-build.ts';

export const launchStart: Command = {
  name: 'launch start',
  takes: '-- PROGRAM [ARGUMENT ...]',
  summary: 'Start a program with the switches of a launch',
  details: "Ends with the program's exit code.",
  options: {
    ...LAUNCH_OPTIONS,
    posix: { type: 'boolean', help: 'switches as --hub.url=…, not /hub.url:…' },
  },
  examples: [
    {
      line: 'lockstep launch start --hub https://hub.example.com --topic T --user jsmith -- ./pacs',
      means: 'runs ./pacs /user:jsmith /hub.url:… /hub.topic:T',
    },
  ],
  run({ rest, values, signal }) {
    if (rest.length === 0) throw new CliError(EXIT.usage, 'the program is missing: lockstep launch start … -- PROGRAM');
    try {
      const style = values.flag('posix') ? 'posix' : 'windows';
      return runProgram([...rest, ...buildArguments(launchOf(values), style)], signal);
    } catch (error) {
      if (error instanceof LaunchError) throw new CliError(EXIT.usage, error.message);
      throw error;
    }
  },
};
