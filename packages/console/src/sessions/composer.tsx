import { eventDefinition, STANDARD_EVENTS } from '@lockstep/fhircast';
import { Button, NativeSelect, SegmentedControl, Stack, Textarea, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { post, type Told, told, words } from '../api.ts';
import { t } from '../language/language.ts';
import { Alert } from '../ui/problem.tsx';
import textStyles from '../ui/text.module.css';
import { compose, type Filled, problemsOf, typeOf } from './compose.ts';
import inspectorStyles from './inspector.module.css';
import type { Replayed } from './replay.ts';

const OTHER = 'other';

/** The current context's anchors, so that an event about them needs no typing. */
function known({ anchors, current }: Replayed): Filled {
  const filled: Record<string, string> = {};
  for (const key of [...anchors.keys(), ...(current === undefined ? [] : [current])]) {
    const [type = '', id = ''] = key.split('/');
    const name = type === 'DiagnosticReport' ? 'report' : type === 'ImagingStudy' ? 'study' : type.toLowerCase();
    filled[name] = id;
  }
  return filled;
}

/** Publishes any event of the catalog into the session, from a form or as JSON. */
export function Composer({ topic, state }: { topic: string; state: Replayed }) {
  const [picked, setPicked] = useState('Patient-open');
  const [other, setOther] = useState('');
  const [mode, setMode] = useState('form');
  const [filled, setFilled] = useState<Filled>(() => known(state));
  const [json, setJson] = useState('');
  const [tried, setTried] = useState(false);
  const [jsonProblem, setJsonProblem] = useState<string>();
  const [outcome, setOutcome] = useState<{ readonly good: boolean; readonly told: Told }>();
  const name = picked === OTHER ? other.trim() : picked;
  const definition = eventDefinition(name);
  const problems = problemsOf(name, filled);

  function message(): unknown {
    const version = state.current === undefined ? undefined : state.anchors.get(state.current)?.versionId;
    return compose(topic, name, filled, version);
  }

  function change(to: string): void {
    if (to === 'json') {
      try {
        setJson(JSON.stringify(message(), null, 2));
      } catch {
        setJson('');
      }
    }
    setMode(to);
  }

  async function publish(event: FormEvent): Promise<void> {
    event.preventDefault();
    setTried(true);
    setOutcome(undefined);
    if (mode === 'form' && Object.keys(problems).length > 0) return;
    let body: unknown;
    try {
      body = mode === 'form' ? message() : JSON.parse(json);
    } catch (error) {
      setJsonProblem(t('sessions.notValidJson', { error: words(error) }));
      return;
    }
    try {
      const { status } = await post<{ status: number }>(
        `/api/console/sessions/${encodeURIComponent(topic)}/publish`,
        body,
      );
      setOutcome({ good: true, told: { text: t('sessions.accepted', { status }) } });
      setTried(false);
    } catch (error) {
      setOutcome({ good: false, told: told(error) });
    }
  }

  return (
    <form onSubmit={(event) => void publish(event)} noValidate>
      <Stack gap={12}>
        <SegmentedControl
          aria-label={t('sessions.howToWriteTheEvent')}
          value={mode}
          onChange={change}
          data={[
            { value: 'form', label: t('sessions.form') },
            { value: 'json', label: 'JSON' },
          ]}
        />
        {mode === 'form' ? (
          <>
            <NativeSelect
              label={t('sessions.event')}
              value={picked}
              onChange={(event) => setPicked(event.currentTarget.value)}
              data={[...STANDARD_EVENTS, { value: OTHER, label: t('sessions.another') }]}
            />
            {picked === OTHER && (
              <TextInput
                label={t('sessions.nameOfTheEvent')}
                placeholder={t('sessions.eventNameExample')}
                value={other}
                error={tried ? problems.event : undefined}
                onChange={(event) => setOther(event.currentTarget.value)}
              />
            )}
            {definition?.keys.map((key) => {
              const type = typeOf(key);
              const props = {
                label: key.min > 0 ? key.key : t('sessions.optional', { key: key.key }),
                value: filled[key.key] ?? '',
                error: tried ? problems[key.key] : undefined,
              };
              const set = (value: string): void => setFilled((now) => ({ ...now, [key.key]: value }));
              return type === 'Bundle' ? (
                <Textarea
                  key={key.key}
                  {...props}
                  rows={5}
                  description={t('sessions.theResourcesToShareOneOr')}
                  onChange={(event) => set(event.currentTarget.value)}
                />
              ) : (
                <TextInput
                  key={key.key}
                  {...props}
                  description={
                    type === 'OperationOutcome'
                      ? t('sessions.whatWentWrong')
                      : type === 'Parameters'
                        ? t('sessions.code')
                        : t('sessions.idOfThe', { type })
                  }
                  onChange={(event) => set(event.currentTarget.value)}
                />
              );
            })}
          </>
        ) : (
          <Textarea
            label={t('sessions.theMessageAsItIsPosted')}
            rows={16}
            classNames={{ input: textStyles.mono ?? '' }}
            value={json}
            error={jsonProblem}
            onChange={(event) => {
              setJson(event.currentTarget.value);
              setJsonProblem(undefined);
            }}
          />
        )}
        <Button type="submit">{t('sessions.publish')}</Button>
        {outcome?.good === true && (
          <p className={inspectorStyles.accepted} role="status">
            {outcome.told.text}
          </p>
        )}
        {outcome?.good === false && <Alert {...outcome.told} />}
      </Stack>
    </form>
  );
}
