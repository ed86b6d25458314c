import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const LIMIT = 16_384;

/** A whole module of `src` as an app's bundler makes it: minified, with all that it imports of ours. Bytes after gzip. */
async function bundled(entry: string): Promise<number> {
  const input = fileURLToPath(new URL(`../src/${entry}`, import.meta.url));
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root: fileURLToPath(new URL('..', import.meta.url)),
    build: {
      write: false,
      target: 'es2022',
      minify: true,
      // Not Vite's library mode, which leaves white space in.
      rollupOptions: {
        input,
        preserveEntrySignatures: 'strict',
        external: ['react'],
        output: { format: 'es' },
      },
    },
  });
  const outputs = (Array.isArray(result) ? result : [result]).flatMap((one) => ('output' in one ? one.output : []));
  const code = outputs.flatMap((one) => (one.type === 'chunk' ? [one.code] : [])).join('');
  assert.match(code, /hub\.channel\.endpoint|ticket|customElements|useSyncExternalStore|postMessage|dpop\+jwt/);
  return gzipSync(code).length;
}

describe('size', () => {
  for (const entry of ['index.ts', 'launch.ts', 'status.ts', 'react.ts', 'unsaved.ts', 'dpop.ts']) {
    it(`${entry} is at most 16 KiB bundled, minified and compressed`, async (test) => {
      const size = await bundled(entry);
      test.diagnostic(`${entry}: ${size} bytes`);
      assert.ok(size <= LIMIT, `${size} bytes`);
    });
  }

  it('depends on nothing but the protocol', () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    assert.deepEqual(Object.keys(manifest.dependencies), ['@lockstep/fhircast']);
  });
});
