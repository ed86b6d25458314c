import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { readTrustedIssuers, type TrustedIssuer, TrustedIssuerError } from '@lockstep/smart';
import { type Config, ConfigError } from './config.ts';

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new TrustedIssuerError(`the file ${path} cannot be read: name one that can`);
  }
}

/**
 * The authorization servers that are trusted (REG-5). Files of secrets are found beside the file that names them.
 * @throws ConfigError naming what is wrong with the file
 */
export function trustedIssuers({ trustedIssuers: path }: Pick<Config, 'trustedIssuers'>): readonly TrustedIssuer[] {
  if (path === undefined) return [];
  try {
    return readTrustedIssuers(readFile(path), (secret) => readFile(resolve(dirname(path), secret)));
  } catch (error) {
    if (error instanceof TrustedIssuerError) throw new ConfigError([`LOCKSTEP_TRUSTED_ISSUERS: ${error.message}`]);
    throw error;
  }
}
