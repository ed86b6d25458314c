/** The client of an app that is registered nowhere: the launch says what it is, and it is held to that. */
import { NativeSelect, Textarea, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';
import { t } from '../language/language.ts';
import pageStyles from '../ui/page.module.css';
import textStyles from '../ui/text.module.css';
import type { PlanPartProps } from './people.tsx';
import type { Plan } from './plan.ts';
import { DECLARED_CLIENT_TYPES, type DeclaredClientType } from './simulation.ts';

export type ClientProblems = { readonly [K in keyof Plan]?: string };

/** What the server takes as a client's id. */
const CLIENT_ID = /^[A-Za-z0-9._~-]{1,100}$/;
/** Characters of a key set, so that the launch's address stays one that servers read. */
const LONGEST_KEYS = 4000;

function isWebAddress(text: string): boolean {
  return /^https?:$/.test(URL.parse(text)?.protocol ?? '');
}

function keysProblem(keys: string): string | undefined {
  if (keys.trim() === '') return t('launch.keysAreMissing');
  if (keys.length > LONGEST_KEYS) return t('launch.keysAreTooLong');
  if (isWebAddress(keys.trim())) return undefined;
  try {
    const { keys: listed } = JSON.parse(keys) as { keys?: unknown };
    return Array.isArray(listed) && listed.length > 0 ? undefined : t('launch.keysHoldNone');
  } catch {
    return t('launch.keysAreNeither');
  }
}

/** What is wrong with the description of a client. */
export function clientProblems(plan: Plan): ClientProblems {
  const strange = plan.clientRedirects
    .split(/\s+/)
    .filter(Boolean)
    .find((one) => !URL.canParse(one));
  const id = CLIENT_ID.test(plan.clientId) ? undefined : t('launch.clientIdIsMissing');
  const secret = plan.clientType === 'symmetric' && plan.clientSecret === '' ? t('launch.secretIsMissing') : undefined;
  const keys = plan.clientType === 'asymmetric' ? keysProblem(plan.clientKeys) : undefined;
  return {
    ...(id !== undefined && { clientId: id }),
    ...(secret !== undefined && { clientSecret: secret }),
    ...(keys !== undefined && { clientKeys: keys }),
    ...(strange !== undefined && { clientRedirects: t('launch.isNoAddress', { text: strange }) }),
  };
}

export function ClientFields({
  plan,
  change,
  problems,
}: PlanPartProps & { problems: (field: keyof Plan) => ReactNode }) {
  const isBackend = plan.kind === 'backend';
  const types = isBackend ? (['asymmetric'] as const) : DECLARED_CLIENT_TYPES;
  return (
    <section className={pageStyles.panel} aria-label={t('launch.client')}>
      <h2>{t('launch.client')}</h2>
      <p className={textStyles.label}>{t('launch.clientIsHeldToThis')}</p>
      <NativeSelect
        label={t('launch.clientType')}
        value={plan.clientType}
        onChange={(event) => change({ clientType: event.currentTarget.value as DeclaredClientType })}
        data={types.map((value) => ({ value, label: t(`launch.clientType.${value}`) }))}
      />
      <TextInput
        label={t('launch.clientId')}
        value={plan.clientId}
        maxLength={100}
        error={problems('clientId')}
        onChange={(event) => change({ clientId: event.currentTarget.value })}
      />
      {plan.clientType === 'symmetric' && (
        <TextInput
          label={t('launch.clientSecret')}
          description={t('launch.secretIsInTheAddress')}
          value={plan.clientSecret}
          maxLength={200}
          error={problems('clientSecret')}
          onChange={(event) => change({ clientSecret: event.currentTarget.value })}
        />
      )}
      {plan.clientType === 'asymmetric' && (
        <Textarea
          label={t('launch.clientKeys')}
          description={t('launch.keysAsJsonOrAddress')}
          value={plan.clientKeys}
          rows={4}
          error={problems('clientKeys')}
          onChange={(event) => change({ clientKeys: event.currentTarget.value })}
        />
      )}
      {!isBackend && (
        <Textarea
          label={t('launch.clientRedirects')}
          description={t('launch.redirectsOnThisMachine')}
          value={plan.clientRedirects}
          rows={2}
          maxLength={1000}
          error={problems('clientRedirects')}
          onChange={(event) => change({ clientRedirects: event.currentTarget.value })}
        />
      )}
      <TextInput
        label={t('launch.clientScope')}
        description={t('launch.leftOutAnyWillDo')}
        value={plan.clientScope}
        maxLength={1000}
        onChange={(event) => change({ clientScope: event.currentTarget.value })}
      />
    </section>
  );
}
