import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { zip } from '../../test/zip.ts';
import { PackageError, type PackageFault, readPackage } from './package.ts';

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

  test('that says one thing and holds another, or leads somewhere else, is refused', async () => {
    const content = manifest();
    const good = { name: 'manifest.json', content } as const;
    const zeros = Buffer.alloc(3 * 1024 * 1024);
    const patched = (change: (bytes: Buffer, end: number) => void): Buffer => {
      const bytes = zip([good, { name: 'icon.png', content: icon }]);
      change(bytes, bytes.length - 22);
      return bytes;
    };
    const table: Readonly<Record<string, readonly [PackageFault, Buffer]>> = {
      'a checksum of other bytes': ['broken', zip([{ ...good, crc: 1 }])],
      'a checksum of other bytes, not packed': ['broken', zip([{ ...good, method: 0, crc: 1 }])],
      'a size that is too small': ['broken', zip([{ ...good, claims: content.length - 1 }])],
      'a size that is too large': ['broken', zip([{ ...good, claims: content.length + 1 }])],
      'a bomb that says it is small': ['broken', zip([{ name: 'manifest.json', content: zeros, claims: 10 }])],
      'a bomb that says it is as large as may be': [
        'broken',
        zip([{ name: 'manifest.json', content: zeros, claims: 2 * 1024 * 1024 }]),
      ],
      'an icon that is a bomb': ['broken', zip([good, { name: 'icon.png', content: zeros, claims: 10 }])],
      'an icon with another checksum': ['broken', zip([good, { name: 'icon.png', content: icon, crc: 1 }])],
      'bytes after the packed ones': ['broken', zip([{ ...good, trailing: Buffer.from('more') }])],
      'entries that share their bytes': [
        'broken',
        zip([good, ...Array.from({ length: 50 }, () => ({ ...good, bytesOf: 0 }))]),
      ],
      'another name in its own header': ['broken', zip([{ ...good, localName: 'another.json' }])],
      'a method that is none': ['broken', zip([{ ...good, methodSaid: 12 }])],
      'packed, said to be stored': ['broken', zip([{ ...good, methodSaid: 0 }])],
      'the same name twice': ['broken', zip([good, { ...good, content: '{}' }])],
      'the same name in other letters': ['broken', zip([good, { ...good, name: 'MANIFEST.json' }])],
      'the same name in another form': [
        'broken',
        zip([good, { name: 'caf\u00e9.png', content: '1' }, { name: 'cafe\u0301.png', content: '2' }]),
      ],
      'a path out of it': ['broken', zip([good, { name: '../../etc/passwd', content: 'x' }])],
      'a path out of it in the middle': ['broken', zip([good, { name: 'a/../../b', content: 'x' }])],
      'a path from the root': ['broken', zip([good, { name: '/etc/passwd', content: 'x' }])],
      'a path of Windows': ['broken', zip([good, { name: 'C:\\x', content: 'x' }])],
      'a drive': ['broken', zip([good, { name: 'C:x', content: 'x' }])],
      'a name that ends early': ['broken', zip([good, { name: 'icon.png\0.exe', content: 'x' }])],
      'no name': ['broken', zip([good, { name: '', content: 'x' }])],
      'strong encryption': ['encrypted', zip([{ ...good, flags: 0x40 | 1 }])],
      'a masked header': ['encrypted', zip([{ ...good, flags: 0x2000 }])],
      'encryption by AES': ['encrypted', zip([{ ...good, methodSaid: 99 }])],
      'an encrypted icon': ['encrypted', zip([good, { name: 'icon.png', content: icon, flags: 1 }])],
      'sizes in zip64': ['broken', zip([{ ...good, claims: 0xffffffff }])],
      'a count in zip64': ['tooLarge', patched((bytes, end) => bytes.writeUInt16LE(0xffff, end + 10))],
      'a place in zip64': ['broken', patched((bytes, end) => bytes.writeUInt32LE(0xffffffff, end + 16))],
      'fewer entries than there are': [
        'broken',
        patched((bytes, end) => bytes.writeUInt16LE(1, end + 10) && bytes.writeUInt16LE(1, end + 8)),
      ],
      'one of several volumes': ['broken', patched((bytes, end) => bytes.writeUInt16LE(1, end + 4))],
      'a comment that says it is longer': ['broken', patched((bytes, end) => bytes.writeUInt16LE(4, end + 20))],
      'another file before it': ['broken', Buffer.concat([zip([{ ...good, content: '{}' }]), zip([good])])],
      'another file after it': ['broken', Buffer.concat([zip([good]), Buffer.from('more')])],
    };
    for (const [what, [fault, bytes]] of Object.entries(table)) {
      await assert.rejects(read(bytes), (error) => error instanceof PackageError && error.fault === fault, what);
    }
  });

  test('is not looked into further: a zip file in it is a file like others', async () => {
    const inner = zip([{ name: 'manifest.json', content: manifest({ name: 'Inner' }) }]);
    assert.equal(
      (
        await read(
          zip([
            { name: 'manifest.json', content: manifest() },
            { name: 'x.zip', content: inner },
          ]),
        )
      ).manifest,
      manifest(),
    );
    await assert.rejects(read(zip([{ name: 'x.zip', content: inner }])), { fault: 'noManifest' });
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
        const found = await read(bytes).catch((error: unknown) => {
          assert.ok(error instanceof PackageError, `byte ${at}`);
          return undefined;
        });
        // What no longer is a zip file is a manifest, which the server reads.
        if (found && at > 1) assert.equal(found.manifest, manifest(), `byte ${at}`);
      }
    }
  });
});
