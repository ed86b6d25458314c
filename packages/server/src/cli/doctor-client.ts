/** Which switches a client needs, judged by what it has sent: `lockstep doctor --client FILE`. */
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { proposeSwitches } from '@lockstep/fhircast';
import type { DoctorFinding } from './doctor.ts';

const CHECK = 'client';
const FORM = /^[\w.%-]+=/;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One recorded message: JSON, or the fields of a form. */
function parse(line: string): unknown {
  return FORM.test(line) ? Object.fromEntries(new URLSearchParams(line)) : (parseJson(line) ?? line);
}

/** The recorded messages: one JSON text or list of them, or one message a line. */
export function readRecorded(recorded: string): readonly unknown[] {
  const whole = parseJson(recorded);
  if (Array.isArray(whole)) return whole;
  if (typeof whole === 'object' && whole !== null) return [whole];
  return recorded
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map(parse);
}

/** @param file a path, or `-` for what comes in */
export async function* examineClient(file: string): AsyncGenerator<DoctorFinding> {
  let recorded: string;
  try {
    recorded = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    const message = `${file} cannot be read: ${(error as Error).message}`;
    yield { check: CHECK, status: 'problem', message, fix: 'Name a file with the messages, one a line.' };
    return;
  }
  const messages = readRecorded(recorded);
  const { switches, needed, ambiguous, unreadable } = proposeSwitches(messages);
  for (const { name, message, reason } of needed) {
    yield { check: CHECK, status: 'ok', message: `${name}, since message ${message}: ${reason}` };
  }
  for (const { message, either, reason } of ambiguous) {
    const sets = either.map((set) => set.join(' and ')).join(', or ');
    yield {
      check: CHECK,
      status: 'warning',
      message: `message ${message} would be read with ${sets}: ${reason}`,
      fix: 'Record more messages, or ask the vendor: nothing is proposed for it.',
    };
  }
  for (const { message, reason } of unreadable) {
    yield {
      check: CHECK,
      status: 'problem',
      message: `message ${message} is read with no switch: ${reason}`,
      fix: 'The client has to be changed, or needs a dialect that Lockstep does not have.',
    };
  }
  if (messages.length === 0) {
    yield { check: CHECK, status: 'problem', message: 'there is no message', fix: 'Record what the client sends.' };
    return;
  }
  const none = Object.keys(switches).length === 0;
  const proposal = none ? 'no switch is proposed' : `"switches": ${JSON.stringify(switches)}`;
  yield { check: CHECK, status: 'ok', message: `${messages.length} messages: ${proposal}` };
}
