/** The guide "Your EHR drives the session", and a Hub as it says to start one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readConfig } from '@lockstep/server';
import { sharedLockstep, testConfig } from './harness.ts';
import { sharedIssuer } from './issuer.ts';

const guide = readFileSync(join(import.meta.dirname, '../../../docs/ehr-drives-the-session.md'), 'utf8');

/** Every block of a language, in order. */
export function blocks(language: string): readonly string[] {
  return [...guide.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, name, text = '']) =>
    name === language ? [text] : [],
  );
}

/** A Hub for all tests of a file, and tokens of the EHR and of an app of its user. */
export async function sharedGuide(): Promise<{
  /** The names of the events that were published so far, by session; those of sessions that have ended too. */
  readonly published: ReadonlyMap<string, readonly string[]>;
  readonly env: Readonly<Record<'HUB' | 'TOKEN' | 'APP_TOKEN', string>>;
}> {
  const issuer = await sharedIssuer();
  const [start = ''] = blocks('sh');
  const settings = Object.fromEntries(
    [...start.matchAll(/(LOCKSTEP_\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  );
  const { issuers } = JSON.parse(blocks('json')[0] ?? '') as { issuers: Record<string, unknown>[] };
  const file = join(dirname(issuer.file), settings.LOCKSTEP_TRUSTED_ISSUERS ?? '');
  const [audience] = issuers.map((one) => one.audience);
  writeFileSync(file, JSON.stringify({ issuers: issuers.map((one) => ({ ...one, issuer: issuer.url })) }));
  const { role, sampleData } = readConfig({ ...settings, LOCKSTEP_TRUSTED_ISSUERS: file });
  const hub = await sharedLockstep({ ...testConfig(), role, sampleData, trustedIssuers: file });
  const published = new Map<string, readonly string[]>();
  hub.inspector.watch(undefined, (topic, { observation }) => {
    if (observation.kind === 'published') published.set(topic, [...(published.get(topic) ?? []), observation.event]);
  });
  return {
    published,
    env: {
      HUB: `${hub.origin}/hub`,
      TOKEN: await issuer.token({ aud: audience, sub: 'ehr', azp: 'ehr', scope: 'fhircast/*.* hub/session.*' }),
      APP_TOKEN: await issuer.token({ aud: audience, sub: 's', preferred_username: 'lokafor', scope: 'fhircast/*.*' }),
    },
  };
}
