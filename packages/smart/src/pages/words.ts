/** The languages of the pages. */
export type PageLanguage = 'en' | 'de';

/** Says a sentence in the person's language; each `{}` in it is one of the values. */
export type Words = (english: string, ...values: readonly (string | number)[]) => string;

/** What is said in German. What is not here is said in English. */
export const GERMAN: Readonly<Record<string, string>> = {
  'Sign in': 'Anmelden',
  'to continue to': 'um fortzufahren mit',
  'User name': 'Benutzername',
  Password: 'Passwort',
  'Code of your authenticator app, or a recovery code': 'Code Ihrer Authenticator-App oder ein Wiederherstellungscode',
  'Recovery code, if your passkey is lost': 'Wiederherstellungscode, falls Ihr Passkey verloren ist',
  Workstation: 'Arbeitsplatz',
  '(optional)': '(freiwillig)',
  'Sign in with {}': 'Anmelden mit {}',
  'Sample users': 'Beispielbenutzer',
  'Invented people, for trying Lockstep out on this machine.':
    'Erfundene Personen, um Lockstep auf diesem Rechner auszuprobieren.',
  'may administer': 'darf verwalten',
  'Use a passkey': 'Passkey verwenden',
  'The passkey was not used. Try again.': 'Der Passkey wurde nicht verwendet. Versuchen Sie es noch einmal.',
  'Passkeys need JavaScript.': 'Passkeys brauchen JavaScript.',
  'Second factor': 'Zweiter Faktor',
  'You are {}. One of these is asked for after your password, once you have one. Set up two, in case you lose one.':
    'Sie sind {}. Nach Ihrem Passwort wird einer davon verlangt, sobald Sie einen haben. Richten Sie zwei ein, falls Sie einen verlieren.',
  'Authenticator app': 'Authenticator-App',
  'A code of your authenticator app opens, after your password.':
    'Nach Ihrem Passwort öffnet ein Code Ihrer Authenticator-App.',
  'End the authenticator app': 'Authenticator-App beenden',
  'Enter this key into your authenticator app, or': 'Geben Sie diesen Schlüssel in Ihre Authenticator-App ein, oder',
  'open it there': 'öffnen Sie ihn dort',
  'An authenticator app on your phone shows a code that changes every 30 seconds. With it, your password alone opens nothing.':
    'Eine Authenticator-App auf Ihrem Telefon zeigt einen Code, der alle 30 Sekunden wechselt. Mit ihr öffnet Ihr Passwort allein nichts.',
  'Set up': 'Einrichten',
  'The code that it shows now': 'Der Code, den sie jetzt zeigt',
  Confirm: 'Bestätigen',
  'Your password': 'Ihr Passwort',
  Passkeys: 'Passkeys',
  'A passkey is kept by your computer, your phone or a security key. Nobody can give it away on a false page.':
    'Ein Passkey liegt auf Ihrem Rechner, Ihrem Telefon oder einem Sicherheitsschlüssel. Niemand kann ihn auf einer falschen Seite preisgeben.',
  'Passkeys need a server with a name: this one is reached by an IP address.':
    'Passkeys brauchen einen Server mit einem Namen: Dieser hier wird über eine IP-Adresse erreicht.',
  'added {}, not used yet': 'angelegt am {}, noch nicht verwendet',
  'added {}, last used {}': 'angelegt am {}, zuletzt verwendet am {}',
  Remove: 'Entfernen',
  'Remove this passkey': 'Diesen Passkey entfernen',
  'Your browser asks for the passkey now.': 'Ihr Browser fragt jetzt nach dem Passkey.',
  'Make the passkey': 'Passkey anlegen',
  'A name for it': 'Ein Name dafür',
  'Add a passkey': 'Passkey hinzufügen',
  'Recovery codes': 'Wiederherstellungscodes',
  'A recovery code opens once, after your password, when you have lost your authenticator. {} are left.':
    'Ein Wiederherstellungscode öffnet einmal, nach Ihrem Passwort, wenn Sie Ihren Authenticator verloren haben. {} sind übrig.',
  'Make new codes': 'Neue Codes erzeugen',
  'Codes from before no longer work.': 'Frühere gelten dann nicht mehr.',
  'Print these codes or write them down. They are shown only now, and each opens once.':
    'Drucken Sie diese Codes oder schreiben Sie sie auf. Sie werden nur jetzt gezeigt, und jeder öffnet einmal.',
  'Applications with access': 'Anwendungen mit Zugriff',
  'since {} UTC': 'seit {} UTC',
  'Signed out': 'Abgemeldet',
  'You are signed out': 'Sie sind abgemeldet',
  'Sign in again': 'Wieder anmelden',
  Cancel: 'Abbrechen',
  Continue: 'Weiter',
  Search: 'Suchen',
  'Choose a patient': 'Patienten wählen',
  'Choose a patient for {}': 'Wählen Sie einen Patienten für {}',
  'Name or number': 'Name oder Nummer',
  Patients: 'Patienten',
  'No patient was found.': 'Es wurde kein Patient gefunden.',
  'No patient was found yet: not the whole record was searched.':
    'Noch wurde kein Patient gefunden: Die Akten sind nicht alle durchsucht.',
  'There may be more patients.': 'Es kann weitere Patienten geben.',
  'Search on': 'Weitersuchen',
  'There is no such patient.': 'Diesen Patienten gibt es nicht.',
  'The patient has no such encounter.': 'Diese Behandlung gibt es bei dem Patienten nicht.',
  'born {}': 'geboren {}',
  male: 'männlich',
  female: 'weiblich',
  other: 'divers',
  unknown: 'unbekannt',
  'Choose an encounter': 'Behandlung wählen',
  'Choose an encounter for {}': 'Wählen Sie eine Behandlung für {}',
  'No encounter': 'Keine Behandlung',
  planned: 'geplant',
  arrived: 'eingetroffen',
  triaged: 'triagiert',
  'in-progress': 'laufend',
  onleave: 'beurlaubt',
  finished: 'abgeschlossen',
  cancelled: 'abgesagt',
  'entered-in-error': 'irrtümlich erfasst',
  'Choose a session': 'Sitzung wählen',
  'Which session should {} follow?': 'Welcher Sitzung soll {} folgen?',
  'You are working in more than one place. The app follows what you open there.':
    'Sie arbeiten an mehr als einem Ort. Die Anwendung folgt dem, was Sie dort öffnen.',
  'Your sessions': 'Ihre Sitzungen',
  'No workstation': 'Kein Arbeitsplatz',
  'Choose one of your sessions.': 'Wählen Sie eine Ihrer Sitzungen.',
  'User name or password is wrong.': 'Benutzername oder Passwort ist falsch.',
  'Enter the code of your authenticator app.': 'Geben Sie den Code Ihrer Authenticator-App ein.',
  'Show your passkey.': 'Zeigen Sie Ihren Passkey.',
  'The code is wrong, or was used before.': 'Der Code ist falsch oder wurde schon verwendet.',
  'The passkey was not accepted. Sign in with your password again.':
    'Der Passkey wurde nicht angenommen. Melden Sie sich noch einmal mit Ihrem Passwort an.',
  'The passkey was not accepted. Try again.': 'Der Passkey wurde nicht angenommen. Versuchen Sie es noch einmal.',
  'The password you have now is another.': 'Ihr jetziges Passwort ist ein anderes.',
  'The code is wrong. Wait for the next one and try again.':
    'Der Code ist falsch. Warten Sie auf den nächsten und versuchen Sie es noch einmal.',
  'No more passkeys can be added here.': 'Hier können keine weiteren Passkeys hinzugefügt werden.',
  'Codes need a second factor first.': 'Codes brauchen zuerst einen zweiten Faktor.',
  'There is no such sample user.': 'Diesen Beispielbenutzer gibt es nicht.',
  'Too many attempts. Try again in a second.': 'Zu viele Versuche. Versuchen Sie es in einer Sekunde noch einmal.',
  'Too many attempts. Try again in {} seconds.': 'Zu viele Versuche. Versuchen Sie es in {} Sekunden noch einmal.',
  'Too many attempts. Try again in {} minutes.': 'Zu viele Versuche. Versuchen Sie es in {} Minuten noch einmal.',
};

/** The language that a browser asks for; English where it asks for none of ours. */
export function languageOf(acceptLanguage: string | undefined): PageLanguage {
  const asked = (acceptLanguage ?? '')
    .slice(0, 1_000)
    .split(',')
    .map((one) => {
      const [tag = '', ...parameters] = one.trim().toLowerCase().split(';');
      const weight = parameters.find((parameter) => parameter.trim().startsWith('q='));
      return { language: tag.split('-')[0], weight: weight === undefined ? 1 : Number(weight.trim().slice(2)) };
    })
    .filter(({ language, weight }) => (language === 'de' || language === 'en') && weight > 0)
    .sort((a, b) => b.weight - a.weight);
  return asked[0]?.language === 'de' ? 'de' : 'en';
}

export function wordsIn(language: PageLanguage): Words {
  return (english, ...values) => {
    const said = (language === 'de' ? GERMAN[english] : undefined) ?? english;
    let at = 0;
    return said.replaceAll('{}', () => String(values[at++] ?? ''));
  };
}

/** A sentence that was written in English, with its number in it. */
export function sentenceIn(words: Words, sentence: string): string {
  const number = /\d+/.exec(sentence)?.[0];
  return number === undefined ? words(sentence) : words(sentence.replace(number, '{}'), number);
}
