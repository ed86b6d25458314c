import { topicIn } from '@lockstep/fhircast';
import type { DerivedTopics } from '../ports.ts';
import type { Access } from '../rules/permission.ts';
import type { Answer } from './answers.ts';

/** A topic as a caller wrote it may be an address (SES-9), or computed by the caller (LAU-2). */
export class Topics {
  readonly #derived: DerivedTopics | undefined;
  readonly #hubUrl: string;
  readonly #isHeld: (topic: string) => boolean;

  /** @param isHeld whether a session of this topic is in memory: then it is the Hub's own, and need not be looked up */
  constructor(hubUrl: string, isHeld: (topic: string) => boolean, derived?: DerivedTopics) {
    this.#hubUrl = hubUrl;
    this.#isHeld = isHeld;
    this.#derived = derived;
  }

  /** SES-9: `{hub.url}/{topic}` is the topic. */
  plain(written: string): string {
    return topicIn(this.#hubUrl, written);
  }

  /** The Hub's own topic for the one that a caller wrote, where its session is in memory. */
  held(written: string): { readonly ok: true; readonly value: string } | undefined {
    const topic = this.plain(written);
    return this.#isHeld(topic) ? { ok: true, value: topic } : undefined;
  }

  /**
   * The Hub's own topic for the one that a caller wrote.
   * @param subscriber name of who subscribes; see `DerivedTopics`
   */
  async own(access: Access, written: string, subscriber?: string): Promise<Answer<string>> {
    const held = this.held(written);
    if (held) return held;
    const topic = this.plain(written);
    const own = { ok: true, value: topic } as const;
    if (!this.#derived) return own;
    const found = await this.#derived.resolve(topic, access, subscriber);
    if (!found) return own;
    return found.ok ? found : { ...found, code: 'derived-topic-refused' };
  }
}
