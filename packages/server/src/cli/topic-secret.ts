import { readFile } from 'node:fs/promises';
import { type Call, CliError, EXIT, type Option } from './command.ts';

export const SECRET_OPTIONS: Readonly<Record<string, Option>> = {
  'secret-file': {
    type: 'string',
    value: 'FILE',
    file: true,
    help: "file with the app's topic secret; else TOPIC_SECRET",
  },
};

/** The shared secret, from a file or the environment: on the command line everybody on the machine would see it. */
export async function readSecret({ values, env }: Call): Promise<string> {
  const path = values.text('secret-file');
  if (path === undefined) {
    if (env.TOPIC_SECRET) return env.TOPIC_SECRET.trim();
    throw new CliError(
      EXIT.usage,
      'there is no secret',
      'Put it in TOPIC_SECRET, or name its file with --secret-file.',
    );
  }
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new CliError(EXIT.usage, `--secret-file: ${error.message}`);
  });
  return text.trim();
}
