import './language/testing.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { Fhir as SampleFhir } from '../../../samples/kit/fhir.ts';
import type { Grant } from '../../../samples/kit/smart.ts';
import { Fhir } from './fhir.ts';

const token = { access_token: 't' };
const renew = () => Promise.resolve(token);
const RECORDS = {
  'the console': new Fhir('https://record.example/fhir', () => Promise.resolve('t')),
  'the samples': new SampleFhir({ iss: 'https://record.example/fhir', token, renew } as unknown as Grant),
};

const bundle = (...resources: readonly object[]) => ({
  resourceType: 'Bundle',
  type: 'searchset',
  entry: resources.map((resource) => ({ resource })),
});
const study = { resourceType: 'ImagingStudy', id: '1' };
const outcome = (severity: string) => ({ resourceType: 'OperationOutcome', issue: [{ severity, code: 'exception' }] });
const answering = (body: unknown, status = 200) =>
  new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });

/** Answers that do not say what the record has. */
const FAILURES: Readonly<Record<string, () => Response>> = {
  '401': () => answering(outcome('error'), 401),
  '500': () => answering(outcome('fatal'), 500),
  'a page of a proxy': () => answering('<!doctype html><title>Sign in</title>'),
  'nothing at all': () => answering(''),
  'half an answer': () => answering(JSON.stringify(bundle(study)).slice(0, 40)),
  'something else': () => answering({ hello: 'world' }),
  'an outcome instead': () => answering(outcome('information')),
  'no connection': () => {
    throw new TypeError('fetch failed');
  },
  'a connection that is lost on the way': () =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('{"resourceType": "Bundle", '));
          controller.error(new Error('reset'));
        },
      }),
    ),
};

async function withAnswer(answer: () => Response, run: () => Promise<void>): Promise<void> {
  const { fetch } = globalThis;
  globalThis.fetch = async () => answer();
  try {
    await run();
  } finally {
    globalThis.fetch = fetch;
  }
}

for (const [who, fhir] of Object.entries(RECORDS)) {
  test(`HZ-5 ${who}: what could not be read, or not as a whole, is never taken for nothing there`, async () => {
    for (const [what, answer] of Object.entries(FAILURES)) {
      await withAnswer(answer, async () => {
        await assert.rejects(fhir.search('ImagingStudy', { patient: '1' }), what);
        await assert.rejects(fhir.read('ImagingStudy/1'), what);
        if (fhir instanceof Fhir) await assert.rejects(fhir.searchPage('ImagingStudy', []), what);
      });
    }
    await withAnswer(
      () => answering(bundle(study, outcome('error'))),
      () => assert.rejects(fhir.search('ImagingStudy', {}), 'the record says that it is not whole'),
    );
  });

  test(`HZ-5 ${who}: an empty answer says that there is nothing, and a hint of the record is no resource`, async () => {
    const found = (answer: object) => async () =>
      withAnswer(
        () => answering(answer),
        async () => {
          const ids = (await fhir.search('ImagingStudy', {})).map(({ id }) => id);
          assert.deepEqual(ids, answer === empty ? [] : ['1']);
        },
      );
    const empty = { resourceType: 'Bundle', type: 'searchset', total: 0 };
    await found(empty)();
    await found(bundle(study, outcome('information')))();
  });
}
