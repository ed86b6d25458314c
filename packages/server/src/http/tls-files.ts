/** The certificate that the server shows when it speaks https itself. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ConfigError } from '../config.ts';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** When the first certificate of the chain ends, ms since the epoch. */
  readonly expiresAt: number;
}

/** @throws ConfigError for files that cannot be read, or that are no certificate and its key */
export function readCertificate(certFile: string, keyFile: string): Certificate {
  const cert = readText('LOCKSTEP_TLS_CERT', certFile);
  const key = readText('LOCKSTEP_TLS_KEY', keyFile);
  try {
    createSecureContext({ cert, key });
    return { cert, key, expiresAt: Date.parse(new X509Certificate(cert).validTo) };
  } catch (error) {
    const why = (error as Error).message;
    throw new ConfigError([
      `LOCKSTEP_TLS_CERT, LOCKSTEP_TLS_KEY: ${certFile} and ${keyFile} are no certificate chain and its key in PEM: ${why}`,
    ]);
  }
}

function readText(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError([
      `${variable}: the file ${path} cannot be read (${(error as Error).message}): name one that can`,
    ]);
  }
}
