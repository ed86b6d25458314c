import { readFileSync, statSync } from 'node:fs';
import type { R4Validator } from '@lockstep/r4';
import type { Brand } from '@lockstep/smart';
import { type Config, ConfigError } from './config.ts';

type Fields = Readonly<Record<string, unknown>>;

const MAX_BYTES = 512 * 1024;
const BRAND = 'http://hl7.org/fhir/StructureDefinition/organization-brand';
const PORTAL = 'http://hl7.org/fhir/StructureDefinition/organization-portal';
/** The one endpoint of the bundle. */
const ENDPOINT = 'Endpoint/fhir';

/**
 * Who runs the server, for apps that list it: a FHIR Organization by the profile UserAccessBrand of SMART App Launch.
 * @throws ConfigError naming what is wrong with the file
 */
export function brandOf(
  { brand: path }: Pick<Config, 'brand'>,
  validator: Pick<R4Validator, 'problem'>,
): Brand | undefined {
  if (path === undefined) return undefined;
  const fail = (why: string): never => {
    throw new ConfigError([`LOCKSTEP_BRAND: ${why}`]);
  };
  let text: string;
  let since: Date;
  try {
    const { size, mtime } = statSync(path);
    if (size > MAX_BYTES) fail(`the file ${path} is longer than ${MAX_BYTES} bytes`);
    text = readFileSync(path, 'utf8');
    since = mtime;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return fail(`the file ${path} cannot be read: name one that can`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fail(`the file ${path} holds no JSON: it must hold a FHIR Organization`);
  }
  const problem = problemOf(value, validator);
  if (problem !== undefined) return fail(problem);
  return { organization: value as Brand['organization'], since: since.toISOString() };
}

/** What the profile asks beside FHIR R4 itself. @returns undefined for a brand that is right */
function problemOf(value: unknown, validator: Pick<R4Validator, 'problem'>): string | undefined {
  if (!isFields(value) || value.resourceType !== 'Organization') return 'the file must hold one FHIR Organization';
  const problem = validator.problem(value);
  if (problem) return `${problem.text}`;
  const own = ['id', 'meta', 'endpoint', 'partOf'].find((name) => name in value);
  if (own !== undefined) return `Organization.${own} must not be there: Lockstep writes what belongs to this server`;
  if (typeof value.name !== 'string') return 'Organization.name is required';
  const [identifier] = listOf(value.identifier);
  if (typeof identifier?.system !== 'string' || typeof identifier.value !== 'string') {
    return 'Organization.identifier is required, with system and value, such as "urn:ietf:rfc:3986" and "https://hospital.example"';
  }
  const websites = listOf(value.telecom);
  if (websites.length !== 1 || websites[0]?.system !== 'url' || !isHttps(websites[0].value)) {
    return 'Organization.telecom must be one entry with the system "url" and the https address of your website';
  }
  return listOf(value.extension)
    .map(extensionProblem)
    .find((one) => one !== undefined);
}

function extensionProblem({ url, extension }: Fields): string | undefined {
  if (url !== BRAND && url !== PORTAL) return undefined;
  for (const part of listOf(extension)) {
    const { url: name, valueUrl, valueReference } = part;
    const isLogo = name === 'brandLogo' || name === 'portalLogo';
    if (isLogo && !isHttps(valueUrl) && !/^data:image\//.test(String(valueUrl))) {
      return `${name} must have a valueUrl that begins with https: or data:image/`;
    }
    if (/^(brandLogoLicense|brandBundle|portalLogoLicense|portalUrl)$/.test(String(name)) && !isHttps(valueUrl)) {
      return `${name} must have a valueUrl that is an https address`;
    }
    // The profile's uab-1: an endpoint of a portal is one of the brand's.
    const refersTo = isFields(valueReference) ? valueReference.reference : undefined;
    if (name === 'portalEndpoint' && refersTo !== ENDPOINT) return `portalEndpoint must refer to ${ENDPOINT}`;
  }
  return undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}

function isHttps(value: unknown): boolean {
  return typeof value === 'string' && URL.parse(value)?.protocol === 'https:';
}
