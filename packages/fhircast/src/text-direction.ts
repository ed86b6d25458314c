/** Scripts that are written from right to left (ISO 15924), of today's languages and of those that Unicode has besides. */
const RIGHT_TO_LEFT =
  /^(Adlm|Arab|Armi|Avst|Chrs|Cprt|Elym|Hebr|Khar|Lydi|Mand|Mani|Merc|Narb|Nkoo|Orkh|Ougr|Phli|Phnx|Prti|Rohg|Samr|Sarb|Sidt|Sogd|Syrc|Thaa)$/;

/**
 * Which way a language is written. Not every browser has `Intl.Locale.prototype.getTextInfo`.
 * @param language BCP 47 tag
 * @throws RangeError for what is no such tag
 */
export function textDirection(language: string): 'ltr' | 'rtl' {
  return RIGHT_TO_LEFT.test(new Intl.Locale(language).maximize().script ?? '') ? 'rtl' : 'ltr';
}
