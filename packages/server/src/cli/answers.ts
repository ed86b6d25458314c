/** What a listener answers, and the socket that can keep an answer back. */
import type { SocketConstructor } from '@lockstep/client';
import { eventKey } from '@lockstep/fhircast';
import { CliError, EXIT } from './command.ts';

export interface AnswerRule {
  /** HTTP status; undefined for no answer at all. */
  readonly status: number | undefined;
  readonly afterMs: number;
}

const FOLLOW: AnswerRule = { status: 200, afterMs: 0 };

/**
 * Reads `--answer` values: `409`, `none`, `200/1500`, `Patient-open=409`.
 * @returns rules by event in lower case; '' for all events
 * @throws CliError
 */
export function readAnswers(texts: readonly string[]): ReadonlyMap<string, AnswerRule> {
  const rules = new Map<string, AnswerRule>();
  for (const text of texts) {
    const [, event = '', status = '', after = '0'] = /^(?:([^=]+)=)?(none|[2-5]\d\d)(?:\/(\d{1,6}))?$/.exec(text) ?? [];
    if (status === '') {
      throw new CliError(EXIT.usage, `--answer ${text} is neither a status, nor none, nor EVENT=STATUS, nor STATUS/MS`);
    }
    const rule = { status: status === 'none' ? undefined : Number(status), afterMs: Number(after) };
    rules.set(eventKey(event), rule);
  }
  return rules;
}

export function answerFor(rules: ReadonlyMap<string, AnswerRule>, event: string): AnswerRule {
  return rules.get(eventKey(event)) ?? rules.get('') ?? FOLLOW;
}

interface Tap {
  frame(text: string): void;
  /** Whether a text that the client sends may go out. */
  answers(text: string): boolean;
}

/** A WebSocket that shows what comes in, and keeps back what is not to go out. */
export function tappedSocket(tap: Tap): SocketConstructor {
  return class extends WebSocket {
    constructor(url: string) {
      super(url);
      this.addEventListener('message', ({ data }) => tap.frame(String(data)));
    }

    override send(text: string): void {
      if (tap.answers(text)) super.send(text);
    }
  };
}
