import { CliError, type Command, EXIT } from '../command.ts';
import { DATA_OPTION } from '../local-server.ts';

/** Option → environment variable that says the same. */
const VARIABLES: Readonly<Record<string, string>> = {
  port: 'PORT',
  host: 'LOCKSTEP_HOST',
  'public-url': 'LOCKSTEP_PUBLIC_URL',
  data: 'LOCKSTEP_DATA',
  profile: 'LOCKSTEP_PROFILE',
  'log-level': 'LOCKSTEP_LOG_LEVEL',
  config: 'LOCKSTEP_CONFIG',
};

export const serve: Command = {
  name: 'serve',
  summary: 'Run the server until it is stopped',
  details:
    'Options win over the environment, and the environment over the configuration file; the README lists all settings.',
  options: {
    port: { type: 'string', short: 'p', value: 'PORT', help: 'port of everything; 8080' },
    host: { type: 'string', value: 'ADDRESS', help: 'address to listen on; 127.0.0.1' },
    'public-url': { type: 'string', value: 'URL', help: 'origin that clients use' },
    ...DATA_OPTION,
    profile: {
      type: 'string',
      choices: ['core', 'ira', 'stu2', 'stu1'],
      help: 'FHIRcast 3.0.0, IHE Integrated Reporting Applications, or an older FHIRcast',
    },
    'log-level': { type: 'string', value: 'LEVEL', help: 'warn' },
    config: { type: 'string', value: 'FILE', file: true, help: 'JSON file with settings' },
  },
  examples: [
    { line: 'lockstep serve', means: 'on http://localhost:8080, with sample data' },
    { line: 'lockstep serve --port 9000 --data /srv/lockstep', means: 'elsewhere' },
  ],
  async run({ values, env, terminal, signal }) {
    const given = { ...env };
    for (const [option, variable] of Object.entries(VARIABLES)) {
      const value = values.text(option);
      if (value !== undefined) given[variable] = value;
    }
    // A server's worth of modules, for this one command.
    const { ConfigError } = await import('../../config.ts');
    const { readyText, serve: serveUntil } = await import('../../serve.ts');
    terminal.progress('starting');
    try {
      await serveUntil(given, signal, (lockstep) => {
        const { origin, port, firstAdministrator } = lockstep;
        const value = { origin, port, ...(firstAdministrator && { firstAdministrator }) };
        terminal.item(value, () => readyText(lockstep));
      });
    } catch (error) {
      if (error instanceof ConfigError) throw new CliError(EXIT.usage, error.message);
      throw error;
    }
    return EXIT.done;
  },
};
