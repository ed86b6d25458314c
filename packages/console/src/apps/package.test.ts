import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { zip } from '../../test/zip.ts';
import { PackageError, readPackage } from './package.ts';

const read = (bytes: Buffer) => readPackage(new Blob([Uint8Array.from(bytes)]));
const manifest = (more: object = {}) => JSON.stringify({ name: 'App', ...more });
const icon = Buffer.from('picture');

describe('an app package', () => {
  test('is a manifest alone', async () => {
    assert.deepEqual(await read(Buffer.from(manifest())), { manifest: manifest() });
  });

  test('is a zip file with a manifest, packed or not, in a folder or not, and the icon beside it', async () => {
    for (const folder of ['', 'my-app-1.0/']) {
      for (const method of [0, 8] as const) {
        const found = await read(
          zip([
            { name: '__MACOSX/manifest.json', content: 'x' },
            { name: `${folder}package.json`, content: '{}' },
            { name: `${folder}manifest.json`, content: manifest(), method },
            { name: `${folder}deep/icon.png`, content: 'another' },
            { name: `${folder}icon.svg`, content: icon, method },
          ]),
        );
        assert.equal(found.manifest, manifest());
        assert.equal(found.icon?.type, 'image/svg+xml');
        assert.deepEqual(Buffer.from(found.icon?.bytes ?? []), icon);
      }
    }
  });

  test('has the icon that the manifest names by a path; one at an address stays there', async () => {
    const files = (more: object) =>
      zip([
        { name: 'a/smart-manifest.json', content: manifest(more) },
        { name: 'a/pictures/big.jpg', content: icon },
        { name: 'a/icon.png', content: 'another' },
      ]);
    for (const logo of ['pictures/big.jpg', './pictures/big.jpg', '/pictures/big.jpg']) {
      assert.equal((await read(files({ logo }))).icon?.type, 'image/jpeg', logo);
    }
    assert.equal((await read(files({ logo_uri: 'https://app.example/logo.png' }))).icon, undefined);
    assert.equal((await read(files({ logo_uri: 'none.png' }))).icon, undefined);
  });

  test('says what is wrong with it', async () => {
    const good = zip([{ name: 'manifest.json', content: manifest() }]);
    const faults: readonly (readonly [string, Buffer])[] = [
      ['noManifest', zip([{ name: 'readme.txt', content: 'x' }])],
      [
        'noManifest',
        zip([
          { name: 'a.json', content: '{}' },
          { name: 'b.json', content: '{}' },
        ]),
      ],
      ['noManifest', zip([])],
      ['encrypted', zip([{ name: 'manifest.json', content: manifest(), flags: 1 }])],
      ['tooLarge', zip([{ name: 'manifest.json', content: Buffer.alloc(3 * 1024 * 1024) }])],
      ['tooLarge', zip([{ name: 'manifest.json', content: Buffer.alloc(3 * 1024 * 1024), claims: 10 }])],
      ['tooLarge', zip(Array.from({ length: 1001 }, (_, n) => ({ name: `${n}`, content: '' })))],
      ['tooLarge', Buffer.alloc(9 * 1024 * 1024)],
      ['broken', Buffer.from('PK\u0003\u0004 and nothing more')],
      ['broken', good.subarray(0, good.length - 30)],
      ['broken', Buffer.concat([Buffer.from('PK'), good])],
    ];
    for (const [fault, bytes] of faults) {
      await assert.rejects(read(bytes), (error) => error instanceof PackageError && error.fault === fault, fault);
    }
  });

  test('whatever is damaged in it, it is read or refused, and nothing else', async () => {
    const good = zip([
      { name: 'manifest.json', content: manifest() },
      { name: 'icon.png', content: icon },
    ]);
    for (let at = 0; at < good.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const bytes = Buffer.from(good);
        bytes.writeUInt8((bytes[at] ?? 0) ^ flip, at);
        await read(bytes).catch((error: unknown) => assert.ok(error instanceof PackageError, `byte ${at}`));
      }
    }
  });
});
