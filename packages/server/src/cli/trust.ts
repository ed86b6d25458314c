/** Which certificates a command trusts, besides those that Node does. */
import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { CliError, EXIT } from './command.ts';

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates in a file. @param name what the file is, for messages; @throws CliError */
function certificatesIn(name: string, path: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(EXIT.usage, `${name}: the file ${path} cannot be read: ${(error as Error).message}`);
  }
  const found = text.match(PEM) ?? [];
  if (found.length === 0) throw new CliError(EXIT.usage, `${name}: the file ${path} holds no certificate in PEM`);
  return found;
}

/** From now on every connection of this process trusts the certificates in a file too. @throws CliError */
export function trustAlso(name: string, path: string): void {
  setDefaultCACertificates([...getCACertificates('default'), ...certificatesIn(name, path)]);
}

/**
 * Requests to the server on this machine that shows the first certificate in a file: that one alone is trusted, under whatever
 * name the machine is reached.
 * @throws CliError
 */
export async function fetchOnly(path: string): Promise<typeof fetch> {
  const [ca = ''] = certificatesIn("the server's certificate", path);
  // Many modules, for the servers that speak https themselves.
  const { Agent, fetch: send } = await import('undici');
  const connect = { ca, allowPartialTrustChain: true, checkServerIdentity: () => undefined };
  const dispatcher = new Agent({ connect, keepAliveTimeout: 1 });
  return ((input: string, init: RequestInit) =>
    send(input, { ...init, dispatcher } as never)) as unknown as typeof fetch;
}
