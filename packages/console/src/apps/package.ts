/** An app's package: its manifest alone, or a zip file with the manifest and the icon that it names. */

export interface AppPackage {
  /** JSON. */
  readonly manifest: string;
  /** The icon that comes with it. */
  readonly icon?: { readonly type: string; readonly bytes: Uint8Array<ArrayBuffer> };
}

/** Why a file is no package; `apps.package.…` has words for it. */
export type PackageFault = 'broken' | 'noManifest' | 'tooLarge' | 'encrypted';

export class PackageError extends Error {
  override readonly name = 'PackageError';
  readonly fault: PackageFault;
  constructor(fault: PackageFault) {
    super(fault);
    this.fault = fault;
  }
}

/** Packages are small: bytes of the file, of one entry once it is unpacked, and how many entries there are at most. */
const MAX_FILE = 8 * 1024 * 1024;
const MAX_ENTRY = 2 * 1024 * 1024;
const MAX_ENTRIES = 1000;

const ICON_TYPES: Readonly<Record<string, string>> = {
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  png: 'image/png',
  svg: 'image/svg+xml',
  webp: 'image/webp',
};

/** Of a zip file's central directory (APPNOTE.TXT 4.3.12). */
interface Entry {
  readonly name: string;
  readonly method: number;
  readonly packed: number;
  readonly size: number;
  /** Of its local header. */
  readonly at: number;
  readonly encrypted: boolean;
}

const END = 0x06054b50;
const DIRECTORY = 0x02014b50;
const LOCAL = 0x04034b50;

/** @throws RangeError for a file that ends too soon */
function directory(view: DataView): readonly Entry[] {
  let end = view.byteLength - 22;
  while (end >= 0 && view.getUint32(end, true) !== END) end--;
  if (end < 0) throw new PackageError('broken');
  const count = view.getUint16(end + 10, true);
  if (count > MAX_ENTRIES) throw new PackageError('tooLarge');
  const entries: Entry[] = [];
  let at = view.getUint32(end + 16, true);
  for (let index = 0; index < count; index++) {
    if (view.getUint32(at, true) !== DIRECTORY) throw new PackageError('broken');
    const length = view.getUint16(at + 28, true);
    entries.push({
      encrypted: (view.getUint16(at + 8, true) & 1) === 1,
      method: view.getUint16(at + 10, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      at: view.getUint32(at + 42, true),
      name: new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 46, length)),
    });
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

async function unpack(
  view: DataView,
  { method, packed, size, at, encrypted }: Entry,
): Promise<Uint8Array<ArrayBuffer>> {
  if (encrypted) throw new PackageError('encrypted');
  if (size > MAX_ENTRY) throw new PackageError('tooLarge');
  if (view.getUint32(at, true) !== LOCAL) throw new PackageError('broken');
  const start = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
  const bytes = new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset + start, packed);
  if (method === 0) return bytes;
  if (method !== 8) throw new PackageError('broken');
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    length += part.value.length;
    // What the directory says of its size need not be true.
    if (length > MAX_ENTRY) {
      await reader.cancel();
      throw new PackageError('tooLarge');
    }
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

const depth = (name: string): number => name.split('/').length;

/** The manifest: by its usual names, else the only JSON file; the one that lies highest. */
function manifestOf(entries: readonly Entry[]): Entry {
  const files = entries.filter(({ name }) => /\.json$/i.test(name) && !/(^|\/)(__MACOSX|\.[^/]*)(\/|$)/.test(name));
  const usual = files.filter(({ name }) => /(^|\/)(smart-)?(manifest|app)\.json$/i.test(name));
  const among = usual.length > 0 ? usual : files;
  const [first, second] = [...among].sort((a, b) => depth(a.name) - depth(b.name));
  const isClear = first && (usual.length > 0 || !second || depth(second.name) > depth(first.name));
  if (!first || !isClear) throw new PackageError('noManifest');
  return first;
}

/** What a manifest says its icon is. */
function logoOf(manifest: string): string | undefined {
  try {
    const { logo_uri, logo, logo_url } = JSON.parse(manifest) as Record<string, unknown>;
    return [logo_uri, logo, logo_url].find((one) => typeof one === 'string');
  } catch {
    // The server says what is wrong with it.
    return undefined;
  }
}

/** The icon: what the manifest names by a path, else `icon` or `logo` beside the manifest. */
function iconOf(entries: readonly Entry[], { name }: Entry, logo: string | undefined): Entry | undefined {
  const folder = name.slice(0, name.lastIndexOf('/') + 1);
  if (logo !== undefined) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(logo)) return undefined;
    const path = folder + logo.replace(/^\.?\//, '');
    return entries.find((one) => one.name === path);
  }
  return entries.find(
    (one) => one.name.startsWith(folder) && /^(icon|logo)\.(png|svg|jpe?g|webp)$/i.test(one.name.slice(folder.length)),
  );
}

/** Reads what was uploaded. @throws PackageError for a zip file that is no package */
export async function readPackage(file: Blob): Promise<AppPackage> {
  if (file.size > MAX_FILE) throw new PackageError('tooLarge');
  const bytes = new Uint8Array(await file.arrayBuffer());
  const isZip = bytes[0] === 0x50 && bytes[1] === 0x4b;
  if (!isZip) return { manifest: new TextDecoder().decode(bytes) };
  try {
    const view = new DataView(bytes.buffer);
    const entries = directory(view);
    const entry = manifestOf(entries);
    const manifest = new TextDecoder().decode(await unpack(view, entry));
    const icon = iconOf(entries, entry, logoOf(manifest));
    const type = ICON_TYPES[icon?.name.split('.').at(-1)?.toLowerCase() ?? ''];
    return { manifest, ...(icon && type !== undefined && { icon: { type, bytes: await unpack(view, icon) } }) };
  } catch (error) {
    // It ends too soon, or what is packed in it is damaged.
    throw error instanceof PackageError ? error : new PackageError('broken');
  }
}
