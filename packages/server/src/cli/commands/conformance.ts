import { type Command, EXIT } from '../command.ts';

export const conformance: Command = {
  name: 'conformance',
  takes: 'hub URL | subscriber | report | diff | checks',
  summary: 'Test a Hub or an application for conformance',
  details: 'Options and exit codes are those of the suite: lockstep conformance alone shows them.',
  options: {},
  raw: true,
  examples: [
    {
      line: 'lockstep conformance hub http://localhost:8080/hub --register http://localhost:8080/fhir --session-user jsmith',
      means: 'the local server',
    },
    { line: 'lockstep conformance subscriber --launch ./my-app', means: 'an application' },
  ],
  async run({ args, rest }) {
    const { main } = await import('@lockstep/conformance/cli');
    return main(args.length + rest.length === 0 ? ['--help'] : [...args, ...rest]) ?? EXIT.done;
  },
};
