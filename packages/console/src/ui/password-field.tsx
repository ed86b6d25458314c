import { PasswordInput, type PasswordInputProps } from '@mantine/core';
import { useId } from 'react';
import { t } from '../language/language.ts';

/** Mantine's field for passwords, whose input says neither that it is wrong nor why, and whose button speaks English only. */
export function PasswordField(props: PasswordInputProps) {
  const id = useId();
  const { error, description } = props;
  const isWrong = error !== undefined && error !== null && error !== false && error !== '';
  const described = [...(description ? [`${id}-description`] : []), ...(isWrong ? [`${id}-error`] : [])].join(' ');
  return (
    <PasswordInput
      {...props}
      id={id}
      aria-invalid={isWrong || undefined}
      aria-describedby={described || undefined}
      visibilityToggleButtonProps={{ 'aria-label': t('start.showPassword') }}
    />
  );
}
