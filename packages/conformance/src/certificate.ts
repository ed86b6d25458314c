/** A certification package: a report with everything that belongs to it, hashed and signed, and its verification. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { isObject, parseJson } from './json.ts';
import { renderHar } from './report/har.ts';
import { readReport, renderJson } from './report/json.ts';
import { conforms, countSafetyWarnings, countVerdicts, type Report } from './report/report.ts';

export const PACKAGE_FORMAT = 'fhircast-conformance-package/1';

interface Manifest {
  readonly format: typeof PACKAGE_FORMAT;
  /** ISO 8601. */
  readonly issuedAt: string;
  readonly target: string;
  readonly versions: readonly string[];
  readonly suite: Report['suite'];
  readonly conforms: boolean;
  readonly conformsStrictly: boolean;
  readonly counts: Readonly<Record<string, number>>;
  readonly safetyWarnings: number;
  readonly waived: readonly { readonly check: string; readonly reason: string; readonly expires: string }[];
  /** SHA-256 of each file, hexadecimal. */
  readonly files: Readonly<Record<string, string>>;
}

/** What is handed to others. */
interface Package {
  readonly manifest: Manifest;
  readonly files: Readonly<Record<string, string>>;
  /** Ed25519 over the manifest's JSON text. */
  readonly signature: { readonly key: string; readonly value: string };
}

const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

/** An Ed25519 key pair for signing, as PEM texts. */
export function newSigningKey(): { readonly privateKey: string; readonly publicKey: string } {
  const pair = generateKeyPairSync('ed25519');
  return {
    privateKey: String(pair.privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicKey: String(pair.publicKey.export({ type: 'spki', format: 'pem' })),
  };
}

/** What a person compares to know a key: SHA-256 of its public part, in groups. */
export function fingerprintOf(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  return sha256(der).slice(0, 40).match(/.{8}/g)?.join(' ') ?? '';
}

function manifestOf(report: Report, files: Readonly<Record<string, string>>, issuedAt: string): Manifest {
  return {
    format: PACKAGE_FORMAT,
    issuedAt,
    target: report.target.name,
    versions: report.versions,
    suite: report.suite,
    conforms: conforms(report),
    conformsStrictly: conforms(report, { strict: true }),
    counts: countVerdicts(report.results),
    safetyWarnings: countSafetyWarnings(report),
    waived: report.results.flatMap(({ id, waived }) => (waived ? [{ check: id, ...waived }] : [])),
    files: Object.fromEntries(Object.entries(files).map(([name, text]) => [name, sha256(text)])),
  };
}

/**
 * Signs a report with its transcript, options and versions.
 * @param privateKey PEM of an Ed25519 key
 * @throws TypeError when the key is none
 */
export function certify(report: Report, privateKey: string, now: Date = new Date()): string {
  let key: KeyObject;
  try {
    key = createPrivateKey(privateKey);
  } catch {
    throw new TypeError('the key is no private key in PEM');
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('the key is no Ed25519 key');
  const files = {
    'report.json': renderJson(report),
    'transcript.har': renderHar(report),
    'options.json': `${JSON.stringify(report.options ?? {}, undefined, 2)}\n`,
    'versions.json': `${JSON.stringify({ suite: report.suite, node: process.version, tested: report.versions }, undefined, 2)}\n`,
  };
  const manifest = manifestOf(report, files, now.toISOString());
  const value = sign(null, Buffer.from(JSON.stringify(manifest)), key).toString('base64');
  const publicKey = String(createPublicKey(key).export({ type: 'spki', format: 'pem' }));
  const whole: Package = { manifest, files, signature: { key: publicKey, value } };
  return `${JSON.stringify(whole, undefined, 2)}\n`;
}

/** What the verification of a package came to. */
export interface Verification {
  /** Why it is not to be believed; empty when it is. */
  readonly problems: readonly string[];
  /** Of the key that signed it; to be compared with what its owner says. */
  readonly fingerprint: string;
  /** Whether the key is the one that was expected; undefined where none was named. */
  readonly trusted?: boolean;
  readonly summary: string;
}

/**
 * Checks the signature, the hash of every file, and that the manifest says of the report what the report says.
 * @param trusted PEM of the public key that has to have signed it
 * @throws TypeError when the text is no package
 */
export function verifyPackage(text: string, trusted?: string): Verification {
  const whole = parseJson(text);
  if (!isObject(whole) || !isObject(whole.manifest) || whole.manifest.format !== PACKAGE_FORMAT) {
    throw new TypeError(`not a certification package: "format" is not "${PACKAGE_FORMAT}"`);
  }
  const { manifest, files, signature } = whole as unknown as Package;
  const problems: string[] = [];
  let key: KeyObject;
  try {
    key = createPublicKey(signature.key);
  } catch {
    throw new TypeError('the package holds no public key');
  }
  const signed = Buffer.from(JSON.stringify(manifest));
  if (!verify(null, signed, key, Buffer.from(signature.value, 'base64'))) problems.push('the signature does not fit');
  for (const name of new Set([...Object.keys(manifest.files), ...Object.keys(files)])) {
    const content = files[name];
    if (content === undefined) problems.push(`${name} is missing`);
    else if (sha256(content) !== manifest.files[name]) problems.push(`${name} was changed`);
  }
  try {
    const report = readReport(files['report.json'] ?? '');
    const again = manifestOf(report, files, manifest.issuedAt);
    if (JSON.stringify(again) !== JSON.stringify(manifest))
      problems.push('the manifest says something else than the report');
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  const fingerprint = fingerprintOf(key);
  const outcome = manifest.conforms ? 'conforms' : 'does not conform';
  const summary = `${manifest.target}: FHIRcast ${manifest.versions.join(', ')}: ${outcome}, ${manifest.safetyWarnings} safety warnings, ${manifest.waived.length} waived, issued ${manifest.issuedAt}`;
  if (trusted === undefined) return { problems, fingerprint, summary };
  const same = fingerprintOf(createPublicKey(trusted)) === fingerprint;
  if (!same) problems.push('it was signed with another key than the trusted one');
  return { problems, fingerprint, trusted: same, summary };
}
