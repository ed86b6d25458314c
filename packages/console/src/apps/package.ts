/** An app's package: its manifest alone, or a zip file with the manifest and the icon that it names. */
import { type ZipEntry, ZipError, type ZipFault, ZipFile } from './zip-file.ts';

export interface AppPackage {
  /** JSON. */
  readonly manifest: string;
  /** The icon that comes with it. */
  readonly icon?: { readonly type: string; readonly bytes: Uint8Array<ArrayBuffer> };
}

/** Why a file is no package; `apps.package.…` has words for it. */
export type PackageFault = ZipFault | 'noManifest';

export class PackageError extends Error {
  override readonly name = 'PackageError';
  readonly fault: PackageFault;
  constructor(fault: PackageFault) {
    super(fault);
    this.fault = fault;
  }
}

/** Bytes. */
const MAX_FILE = 8 * 1024 * 1024;

const ICON_TYPES: Readonly<Record<string, string>> = {
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  png: 'image/png',
  svg: 'image/svg+xml',
  webp: 'image/webp',
};

const depth = (name: string): number => name.split('/').length;

/** The manifest: by its usual names, else the only JSON file; the one that lies highest. */
function manifestOf(entries: readonly ZipEntry[]): ZipEntry {
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
function iconOf(entries: readonly ZipEntry[], { name }: ZipEntry, logo: string | undefined): ZipEntry | undefined {
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
    const zip = new ZipFile(bytes);
    const entry = manifestOf(zip.entries);
    const manifest = new TextDecoder().decode(await zip.read(entry));
    const icon = iconOf(zip.entries, entry, logoOf(manifest));
    const type = ICON_TYPES[icon?.name.split('.').at(-1)?.toLowerCase() ?? ''];
    return { manifest, ...(icon && type !== undefined && { icon: { type, bytes: await zip.read(icon) } }) };
  } catch (error) {
    if (error instanceof PackageError) throw error;
    // It ends too soon, or what is packed in it is damaged.
    throw new PackageError(error instanceof ZipError ? error.fault : 'broken');
  }
}
