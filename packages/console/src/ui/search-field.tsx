import { TextInput, type TextInputProps } from '@mantine/core';

interface SearchFieldProps extends Pick<TextInputProps, 'className' | 'placeholder'> {
  /** What is searched. */
  readonly name: string;
  /** Whether the name stands above the field; otherwise it is heard alone. */
  readonly isNameShown?: boolean;
  readonly text: string;
  readonly onText: (text: string) => void;
  /** The shortcut that moves the focus here. */
  readonly shortcut?: 'search';
}

/** Longer texts find nothing. */
const MAX_LENGTH = 200;

/** Where a list is searched. */
export function SearchField({ name, isNameShown = false, text, onText, shortcut, ...rest }: SearchFieldProps) {
  return (
    <TextInput
      {...rest}
      {...(isNameShown ? { label: name } : { 'aria-label': name })}
      type="search"
      value={text}
      maxLength={MAX_LENGTH}
      data-shortcut={shortcut}
      onChange={(event) => onText(event.currentTarget.value)}
    />
  );
}
