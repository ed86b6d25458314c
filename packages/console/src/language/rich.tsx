/** Messages with elements in them: a name that is isolated, a link. */
import format, { type CompiledMessage } from 'icu-minify/format';
import { Fragment, isValidElement, type ReactNode } from 'react';
import { useStore } from '../store.ts';
import { FORMATTERS, type MessageKey, spoken } from './language.ts';

type Value = string | number | ReactNode;

/** A placeholder whose value is an element stands for a tag without text in it. */
function withElements(message: CompiledMessage, values: Readonly<Record<string, Value>>): CompiledMessage {
  if (typeof message === 'string') return message;
  return message.map((node) =>
    Array.isArray(node) && node.length === 1 && isValidElement(values[node[0]]) ? [node[0], ''] : node,
  );
}

/** @param values elements are put in as they are, text as text: nothing in a value is read as markup */
export function Rich({ id, values }: { id: MessageKey; values: Readonly<Record<string, Value>> }) {
  const { locale, messages } = useStore(spoken);
  const message = messages[id];
  if (message === undefined) return id;
  const given = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, isValidElement(value) ? () => value : (value as string)]),
  );
  const parts = format<ReactNode>(withElements(message, values), locale, given, FORMATTERS);
  return [parts].flat().map((part, index) => <Fragment key={index}>{part as ReactNode}</Fragment>);
}
