import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PagesRead } from './pages-read.ts';

interface Page {
  readonly number: number;
}

/** A server whose answers come when the test says so. */
function slowServer(count: number) {
  const asked: { question: string; number: number; answer: (page: Page) => void; fail: (error: Error) => void }[] = [];
  const pages = new PagesRead<Page>(
    (question, after) =>
      new Promise((answer, fail) => asked.push({ question, number: (after?.number ?? 0) + 1, answer, fail })),
    ({ number }) => number === count,
  );
  /** Answers the request of a number. */
  const answer = async (at: number): Promise<void> => {
    const { number, answer: give } = asked[at]!;
    give({ number });
    await new Promise((resolve) => setImmediate(resolve));
  };
  const fail = async (at: number): Promise<void> => {
    asked[at]!.fail(new Error('away'));
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { pages, asked, answer, fail };
}

test('pages are read one after the other, and none after the last', async () => {
  const { pages, asked, answer } = slowServer(2);
  pages.more();
  assert.equal(asked.length, 0, 'nothing was asked for yet');
  void pages.ask('a');
  pages.more();
  void pages.ask('a');
  assert.equal(asked.length, 1);
  await answer(0);
  assert.deepEqual(pages.state.get(), { of: 'a', pages: [{ number: 1 }], isReading: false });
  assert.equal(pages.hasMore, true);
  pages.more();
  pages.more();
  assert.equal(asked.length, 2);
  await answer(1);
  assert.deepEqual(pages.state.get(), { of: 'a', pages: [{ number: 1 }, { number: 2 }], isReading: false });
  assert.equal(pages.hasMore, false);
  pages.more();
  assert.equal(asked.length, 2);
});

test('HZ-14 what is shown is of the question that was asked last, in whatever order answers come', async () => {
  const { pages, answer } = slowServer(3);
  void pages.ask('a');
  void pages.ask('b');
  await answer(1);
  await answer(0);
  assert.equal(pages.state.get().of, 'b');
  // The next page of one question comes after another was asked.
  pages.more();
  void pages.ask('c');
  await answer(2);
  assert.deepEqual([pages.state.get().of, pages.state.get().pages.length], ['b', 1], 'until there is an answer');
  pages.more();
  await answer(3);
  assert.deepEqual(pages.state.get(), { of: 'c', pages: [{ number: 1 }], isReading: false });
});

test('a failure is shown, keeps what is known, and ends with the next answer', async () => {
  const { pages, answer, fail } = slowServer(2);
  void pages.ask('a');
  await fail(0);
  assert.match(String(pages.state.get().error), /away/);
  assert.equal(pages.state.get().of, undefined, 'nothing is claimed of what was not read');
  void pages.again();
  assert.equal(pages.state.get().error, undefined);
  await answer(1);
  pages.more();
  await fail(2);
  assert.deepEqual([pages.state.get().pages.length, pages.hasMore], [1, true]);
  pages.more();
  await answer(3);
  assert.deepEqual([pages.state.get().pages.length, pages.state.get().error], [2, undefined]);
});
