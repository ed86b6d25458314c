/** `http://127.0.0.1:50123`, and what follows. */
const LOOPBACK = /^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]))(?::\d{1,5})?([/?].*)?$/;

/** The address without its port, where it is one of this machine. */
function withoutPort(address: string): string | undefined {
  const [, host, rest = ''] = LOOPBACK.exec(address) ?? [];
  return host === undefined || !URL.canParse(address) ? undefined : `${host}${rest}`;
}

/**
 * Whether an address is one that the client registered, byte for byte; on loopback the port may be any other, since programs
 * take a free one when they start (AUT-2, RFC 8252 section 7.3).
 */
export function isRegisteredRedirect(registered: readonly string[], address: string): boolean {
  if (registered.includes(address)) return true;
  const here = withoutPort(address);
  return here !== undefined && registered.some((one) => withoutPort(one) === here);
}
