/** Lists that the server gives a page at a time, of one question after the other. */
import { Watchable } from './store.ts';

export interface PagesState<Page> {
  /** The question that the pages answer; undefined until the first answer has come. */
  readonly of?: string;
  readonly pages: readonly Page[];
  /** Why the last request failed; undefined where it did not. */
  readonly error?: unknown;
  readonly isReading: boolean;
}

/** Until the next answer comes the pages of the question before stay, which `of` tells apart. */
export class PagesRead<Page> {
  readonly state = new Watchable<PagesState<Page>>({ pages: [], isReading: false });
  readonly #read: (question: string, after: Page | undefined) => Promise<Page>;
  readonly #isLast: (page: Page) => boolean;
  #question: string | undefined;
  /** Counts what was asked: an answer to anything but the latest comes too late. */
  #turn = 0;

  /**
   * @param read asks for the first page, or for the one after
   * @param isLast whether no page follows
   */
  constructor(read: (question: string, after: Page | undefined) => Promise<Page>, isLast: (page: Page) => boolean) {
    this.#read = read;
    this.#isLast = isLast;
  }

  get hasMore(): boolean {
    const last = this.state.get().pages.at(-1);
    return last !== undefined && !this.#isLast(last);
  }

  /** Asks a question, unless it is the latest. @returns when there is an answer */
  async ask(question: string): Promise<void> {
    if (question === this.#question) return;
    this.#question = question;
    await this.again();
  }

  /** Asks the latest question again, from its first page. @returns when there is an answer */
  async again(): Promise<void> {
    const question = this.#question;
    if (question !== undefined) await this.#take(question, undefined, []);
  }

  /** Reads the next page, unless there is none or something is being read. */
  more(): void {
    const { of, pages, isReading } = this.state.get();
    if (of === undefined || of !== this.#question || isReading || !this.hasMore) return;
    void this.#take(of, pages.at(-1), pages);
  }

  async #take(question: string, after: Page | undefined, before: readonly Page[]): Promise<void> {
    const turn = ++this.#turn;
    this.state.update(({ error: _, ...state }) => ({ ...state, isReading: true }));
    const next = await this.#read(question, after).then(
      (page) => ({ of: question, pages: [...before, page], isReading: false }),
      (error: unknown) => ({ ...this.state.get(), error, isReading: false }),
    );
    if (turn === this.#turn) this.state.set(next);
  }
}
