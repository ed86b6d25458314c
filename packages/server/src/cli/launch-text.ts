/** Launches as text, whatever their form: what was on a command line, in an address bar, or in a file. */
import { readFile } from 'node:fs/promises';
import {
  LaunchError,
  type LaunchParameters,
  type LaunchTicket,
  parseArguments,
  parseLaunchFile,
  parseTicketUrl,
  parseWebLaunch,
  splitPosixCommandLine,
  splitWindowsCommandLine,
} from '@lockstep/fhircast';

export type ParsedLaunch = { readonly form: 'switches' | 'web' | 'file'; readonly launch: LaunchParameters };

/** A ticket's address; undefined when the text is none. */
export function readTicket(text: string): LaunchTicket | undefined {
  try {
    return parseTicketUrl(text);
  } catch (error) {
    if (error instanceof LaunchError) return undefined;
    throw error;
  }
}

/**
 * Reads a launch, recognized by how it looks: an address with a query, switches, the content of a launch file, or a path to
 * one.
 * @throws LaunchError
 */
export async function readLaunch(text: string): Promise<ParsedLaunch> {
  const trimmed = text.trim();
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed)) return { form: 'web', launch: parseWebLaunch(trimmed) };
  if (/^[{[]/.test(trimmed)) return { form: 'file', launch: parseLaunchFile(trimmed) };
  const [, , start] = /(^|\s)["']?(\/|--?)(?:hub\.|cast-)/i.exec(trimmed) ?? [];
  if (start !== undefined) {
    const split = start === '/' ? splitWindowsCommandLine : splitPosixCommandLine;
    return { form: 'switches', launch: parseArguments(split(trimmed)) };
  }
  const content = await readFile(trimmed, 'utf8').catch(() => {
    throw new LaunchError('this is no launch: neither an address, nor switches, nor a launch file');
  });
  return { form: 'file', launch: parseLaunchFile(content) };
}
