/** The server's log: whatever goes wrong, it holds nothing of patients and no tokens. */
import pino, { type DestinationStream, type Logger } from 'pino';
import type { Config } from './config.ts';

/** Causes of an error that are told, one of another. */
const MOST_CAUSES = 5;

/** What is logged of an error. */
interface LoggedError {
  readonly type: string;
  readonly message?: string;
  readonly code?: string;
  /** Where it happened, without the message. */
  readonly stack?: string;
  readonly cause?: LoggedError;
}

/**
 * An error as it is logged. Errors carry what they are about as further members, such as the bytes of a request that could not be
 * read, and its token with them: these are left out.
 */
export function loggedError(error: unknown, causes = MOST_CAUSES): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, message, stack = '', cause } = error;
  const { code } = error as { readonly code?: unknown };
  const frames = stack.split('\n').filter((line) => /^ {4}at /.test(line));
  return {
    type: name,
    // JSON.parse quotes the text that it could not read.
    ...(!(error instanceof SyntaxError) && { message }),
    ...(typeof code === 'string' && { code }),
    ...(frames.length > 0 && { stack: frames.join('\n') }),
    ...(cause !== undefined && causes > 0 && { cause: loggedError(cause, causes - 1) }),
  };
}

const serializers = {
  err: (error: unknown) => loggedError(error),
  // The web framework's: addresses and headers hold names and tokens.
  req: ({ method }: { readonly method?: unknown }) => ({ method }),
  res: ({ statusCode }: { readonly statusCode?: unknown }) => ({ statusCode }),
};

/** @param to standard output without it */
export function openLog(level: Config['logLevel'], to?: DestinationStream): Logger {
  const options = { level, serializers };
  return to ? pino(options, to) : pino(options);
}
