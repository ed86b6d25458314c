const MIN_LENGTH = 8;
const MAX_LENGTH = 200;

let commonPasswords: Promise<ReadonlySet<string>> | undefined;

/** About 49,000 passwords that attackers try first; read when the first password is set. */
function readCommon(): Promise<ReadonlySet<string>> {
  commonPasswords ??= import('@zxcvbn-ts/language-common').then(
    ({ dictionary }) => new Set(dictionary['passwords-common'] as readonly string[]),
  );
  return commonPasswords;
}

/**
 * Why a password is refused, in words for people: too short, known to everybody who guesses, or made of the user's own name
 * (NIST SP 800-63B section 3.1.1.2, CWE-521).
 * @param words the user's name and other words that are known of the user
 */
export async function passwordProblem(password: string, words: readonly string[]): Promise<string | undefined> {
  if ([...password].length < MIN_LENGTH) return `a password has at least ${MIN_LENGTH} characters`;
  if (password.length > MAX_LENGTH) return `a password has at most ${MAX_LENGTH} characters`;
  const plain = password.normalize('NFKC').toLowerCase();
  const base = plain.replace(/(?<=\p{L}|^)[^\p{L}]+$/u, '');
  const known = await readCommon();
  if (known.has(plain) || /^(.{1,4})\1+$/u.test(plain) || isSequence(plain)) {
    return 'this password is among the first that anybody would try';
  }
  const own = ['lockstep', ...words].map((word) => word.toLowerCase()).filter((word) => word.length > 2);
  if (own.includes(plain) || own.includes(base)) return 'the password must not be the user name or the product';
  return undefined;
}

/** `12345678`, `hgfedcba`. */
function isSequence(text: string): boolean {
  const steps = new Set<number>();
  for (let n = 1; n < text.length; n++) steps.add(text.charCodeAt(n) - text.charCodeAt(n - 1));
  return steps.size === 1 && [1, -1].includes([...steps][0] ?? 0);
}
