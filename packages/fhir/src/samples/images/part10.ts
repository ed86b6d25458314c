/** Writes DICOM files (PS3.10) in Explicit VR Little Endian (PS3.5 A.2). */

/** Value representations that are used. */
type Representation = 'AE' | 'CS' | 'DA' | 'DS' | 'IS' | 'LO' | 'OB' | 'OW' | 'PN' | 'SH' | 'TM' | 'UI' | 'UL' | 'US';

/** `[tag, VR, value]`; the tag is `0xggggeeee`. Several values of text are divided by a backslash. */
export type DicomElement = readonly [tag: number, vr: Representation, value: string | number | Uint8Array];

/** Those have two reserved bytes and a length of four. */
const LONG: ReadonlySet<Representation> = new Set(['OB', 'OW']);

const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';

function bytesOf([, vr, value]: DicomElement): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(vr === 'UL' ? 4 : 2);
    if (vr === 'UL') bytes.writeUInt32LE(value);
    else bytes.writeUInt16LE(value & 0xffff);
    return bytes;
  }
  const text = Buffer.from(value);
  // Values are of even length: a UID is padded by a zero, other text by a space.
  return text.length % 2 === 0 ? text : Buffer.concat([text, Buffer.from([vr === 'UI' ? 0 : 0x20])]);
}

function write(element: DicomElement): Uint8Array {
  const [tag, vr] = element;
  const value = bytesOf(element);
  const head = Buffer.alloc(LONG.has(vr) ? 12 : 8);
  head.writeUInt16LE(tag >>> 16, 0);
  head.writeUInt16LE(tag & 0xffff, 2);
  head.write(vr, 4, 'latin1');
  if (LONG.has(vr)) head.writeUInt32LE(value.length, 8);
  else head.writeUInt16LE(value.length, 6);
  return Buffer.concat([head, value]);
}

/**
 * A file.
 * @param sopClass its UID, as in (0008,0016)
 * @param sopInstance its UID, as in (0008,0018)
 * @param program UID of what wrote the file
 * @param elements in any order; each tag once, text in UTF-8
 */
export function writePart10(
  {
    sopClass,
    sopInstance,
    program,
  }: { readonly sopClass: string; readonly sopInstance: string; readonly program: string },
  elements: readonly DicomElement[],
): Uint8Array {
  const meta = Buffer.concat(
    (
      [
        [0x00020001, 'OB', new Uint8Array([0, 1])],
        [0x00020002, 'UI', sopClass],
        [0x00020003, 'UI', sopInstance],
        [0x00020010, 'UI', EXPLICIT_LITTLE_ENDIAN],
        [0x00020012, 'UI', program],
      ] satisfies DicomElement[]
    ).map(write),
  );
  const dataset: readonly DicomElement[] = [
    [0x00080005, 'CS', 'ISO_IR 192'],
    [0x00080016, 'UI', sopClass],
    [0x00080018, 'UI', sopInstance],
    ...elements,
  ];
  return Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM'),
    write([0x00020000, 'UL', meta.length]),
    meta,
    ...[...dataset].sort(([one], [other]) => one - other).map(write),
  ]);
}
