import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { CheckFailure } from '../expecting.ts';
import { isObject } from '../json.ts';
import type { Transcript } from '../transcript.ts';
import { type HttpLimits, send } from './http.ts';
import type { Tokens } from './tokens.ts';

/** Where the suite's sessions come from. */
export type TopicSource =
  /** A fixed list; scenarios share them one after the other, each closing what it opened. */
  | { readonly kind: 'given'; readonly topics: readonly string[] }
  /** A shell command that prints a new topic on its first line; `FHIRCAST_HUB_URL` is in its environment. */
  | { readonly kind: 'command'; readonly command: string }
  /** `POST {hub.url}/session` with `{"user"}` answers with a `hub.topic`; `DELETE {hub.url}/session/{topic}` ends it. */
  | { readonly kind: 'session'; readonly user: string }
  /** The Hub takes any topic: a random one each time. */
  | { readonly kind: 'any' };

export interface Topic {
  readonly name: string;
  /** Whether it is used by nothing else, before or after. */
  readonly own: boolean;
  release(): Promise<void>;
}

const done = async () => {};

/** Hands out sessions to scenarios. */
export class TopicPool {
  readonly #topics: TopicSource;
  readonly #hubUrl: string;
  readonly #tokens: Tokens;
  readonly #limits: HttpLimits;
  readonly #free: string[];
  readonly #waiting: ((topic: string) => void)[] = [];

  constructor(topics: TopicSource, hubUrl: string, tokens: Tokens, limits: HttpLimits) {
    this.#topics = topics;
    this.#hubUrl = hubUrl;
    this.#tokens = tokens;
    this.#limits = limits;
    this.#free = topics.kind === 'given' ? [...topics.topics] : [];
  }

  /** Whether scenarios may run side by side. */
  get width(): number {
    return this.#topics.kind === 'given' ? Math.max(1, this.#topics.topics.length) : Number.POSITIVE_INFINITY;
  }

  /** Whether the suite makes topics up. */
  get invents(): boolean {
    return this.#topics.kind === 'any';
  }

  /** @throws CheckFailure when no session is to be had */
  async acquire(transcript: Transcript): Promise<Topic> {
    switch (this.#topics.kind) {
      case 'any':
        return { name: randomUUID(), own: true, release: done };
      case 'command':
        return { name: await this.#run(this.#topics.command, transcript), own: true, release: done };
      case 'session':
        return this.#session(this.#topics.user, transcript);
      case 'given': {
        const name = this.#free.pop() ?? (await new Promise<string>((resolve) => this.#waiting.push(resolve)));
        return { name, own: false, release: async () => this.#giveBack(name) };
      }
    }
  }

  #giveBack(name: string): void {
    const next = this.#waiting.shift();
    if (next) next(name);
    else this.#free.push(name);
  }

  async #session(user: string, transcript: Transcript): Promise<Topic> {
    const token = await this.#tokens.full(transcript);
    const headers = {
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token.value}` }),
    };
    const body = JSON.stringify({ user, label: 'conformance' });
    const answer = await send(
      { method: 'POST', url: `${this.#hubUrl}/session`, headers, body },
      this.#limits,
      transcript,
    );
    const name = isObject(answer.json) ? answer.json['hub.topic'] : undefined;
    if (typeof name !== 'string') {
      throw new CheckFailure('a new session from the Hub', `HTTP ${answer.status} ${answer.body}`);
    }
    const { authorization } = headers as { authorization?: string };
    const url = `${this.#hubUrl}/session/${encodeURIComponent(name)}`;
    const release = async () => {
      await send(
        { method: 'DELETE', url, headers: { ...(authorization && { authorization }) } },
        this.#limits,
        transcript,
      );
    };
    return { name, own: true, release };
  }

  #run(command: string, transcript: Transcript): Promise<string> {
    transcript.add('note', 'suite', `runs the topic command: ${command}`);
    return new Promise((resolve, reject) => {
      const child = spawn(command, {
        shell: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, FHIRCAST_HUB_URL: this.#hubUrl },
        timeout: Math.ceil(this.#limits.timeoutMs * 4),
      });
      let out = '';
      let err = '';
      child.stdout.setEncoding('utf8').on('data', (data) => {
        out += data;
      });
      child.stderr.setEncoding('utf8').on('data', (data) => {
        err += data;
      });
      child.on('error', (error) => reject(new CheckFailure('a topic from the topic command', error.message)));
      child.on('close', (code) => {
        const topic = out.split('\n')[0]?.trim() ?? '';
        if (code === 0 && topic !== '') resolve(topic);
        else
          reject(new CheckFailure('a topic from the topic command', `exit code ${code} ${err.slice(0, 300)}`.trim()));
      });
    });
  }
}
