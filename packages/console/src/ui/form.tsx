/** What forms share: nothing is said of a field before something was typed in it, and a refusal shows at the field it is about. */
import { Button, Group } from '@mantine/core';
import { type FormEvent, type ReactNode, type SyntheticEvent, useState } from 'react';
import { type Told, told } from '../api.ts';
import { ForeignText } from '../foreign-text.tsx';
import { t } from '../language/language.ts';
import styles from './form.module.css';
import { Alert, ToldText } from './problem.tsx';

export type FormProblems<F> = { readonly [K in keyof F]?: string };

/** The fields whose values are of a type. */
type KeysOf<F, V> = { [K in keyof F]-?: F[K] extends V ? K : never }[keyof F];

export interface FormOptions<F> {
  readonly initial: F;
  /** Everything that is wrong with what is entered. */
  readonly problems: (values: F) => FormProblems<F>;
  /** The field that a server's refusal is about. */
  readonly fieldOf: (message: string) => keyof F | undefined;
  /** @throws ApiError with what the server does not accept */
  readonly onSubmit: (values: F) => Promise<void>;
}

export interface Form<F> {
  readonly values: F;
  readonly busy: boolean;
  /** What the server refused. */
  readonly refusal: Told | undefined;
  /** How many fields need attention, once it was tried. */
  readonly wrong: number;
  set<K extends keyof F>(field: K, value: F[K]): void;
  problem(field: keyof F): ReactNode;
  /** Properties of an input of text. */
  text(field: KeysOf<F, string>): {
    readonly value: string;
    readonly error: ReactNode;
    readonly onChange: (event: SyntheticEvent<{ value: string }>) => void;
  };
  /** Properties of a checkbox. */
  flag(field: KeysOf<F, boolean>): {
    readonly checked: boolean;
    readonly onChange: (event: SyntheticEvent<{ checked: boolean }>) => void;
  };
  readonly onSubmit: (event: FormEvent<HTMLFormElement>) => void;
}

export function useForm<F extends object>(options: FormOptions<F>): Form<F> {
  const [values, setValues] = useState(options.initial);
  const [touched, setTouched] = useState<ReadonlySet<keyof F>>(new Set());
  const [tried, setTried] = useState(false);
  const [refusal, setRefusal] = useState<{ readonly field: keyof F | undefined; readonly told: Told }>();
  const [busy, setBusy] = useState(false);
  const problems = options.problems(values);

  function set<K extends keyof F>(field: K, value: F[K]): void {
    setValues((now) => ({ ...now, [field]: value }));
    setTouched((now) => new Set(now).add(field));
    setRefusal(undefined);
  }

  function problem(field: keyof F): ReactNode {
    if (refusal?.field === field) return <ToldText {...refusal.told} />;
    const said = tried || touched.has(field) ? problems[field] : undefined;
    // It may name what was entered, which is as long as the person likes.
    return said === undefined ? undefined : <ForeignText text={said} />;
  }

  async function submit(element: HTMLFormElement): Promise<void> {
    setTried(true);
    if (Object.keys(problems).length > 0) {
      requestAnimationFrame(() => element.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
      return;
    }
    setBusy(true);
    try {
      await options.onSubmit(values);
    } catch (error) {
      // The server names the field first.
      const said = error instanceof Error ? error.message : '';
      setRefusal({ told: told(error), field: options.fieldOf(said) });
    }
    setBusy(false);
  }

  return {
    values,
    busy,
    refusal: refusal?.told,
    wrong: tried ? Object.keys(problems).length : 0,
    set,
    problem,
    text: (field) => ({
      value: values[field] as string,
      error: problem(field),
      onChange: ({ currentTarget }) => set(field, currentTarget.value as F[typeof field]),
    }),
    flag: (field) => ({
      checked: values[field] as boolean,
      onChange: ({ currentTarget }) => set(field, currentTarget.checked as F[typeof field]),
    }),
    onSubmit(event) {
      event.preventDefault();
      void submit(event.currentTarget);
    },
  };
}

/** A part of a long form, under a title of its own. */
export function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <fieldset className={styles.part}>
      <legend>{title}</legend>
      {children}
    </fieldset>
  );
}

/** The end of a form: what was refused, the button, and how much is wrong. */
export function FormEnd<F>({ form, action }: { form: Form<F>; action: string }) {
  const { refusal, busy, wrong } = form;
  return (
    <>
      {refusal && <Alert {...refusal} />}
      <Group gap={12}>
        <Button type="submit" size="sm" loading={busy}>
          {action}
        </Button>
        {wrong > 0 && (
          <span className={styles.wrong} role="alert">
            {t('shell.fieldsNeedAttention', { count: wrong })}
          </span>
        )}
      </Group>
    </>
  );
}
