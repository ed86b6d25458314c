import { Menu } from '@mantine/core';
import { useRef, useState } from 'react';
import { spoken, t } from './language/language.ts';
import { chooseLanguage, LANGUAGES } from './language/load.ts';
import { PersonButton, type PersonMenuProps } from './person-button.tsx';
import styles from './person-menu.module.css';
import { sheet } from './shortcut-sheet-shown.ts';

/** What a person does about themselves: open when it comes. */
export default function PersonMenu({ person, onPassword, onSignOut }: PersonMenuProps) {
  const button = useRef<HTMLButtonElement>(null);
  const [isNotLoaded, setNotLoaded] = useState(false);

  function choose(language: string): void {
    setNotLoaded(false);
    chooseLanguage(language).catch(() => setNotLoaded(true));
  }

  /** What is opened gives the focus back to the button: the menu will be gone. */
  const opens = (open: () => void) => (): void => {
    button.current?.focus();
    open();
  };
  return (
    <>
      {/* With a position that is kept each opening would keep the one before, by closures. */}
      <Menu
        defaultOpened
        preventPositionChangeWhenVisible={false}
        position="bottom-end"
        withinPortal={false}
        withInitialFocusPlaceholder={false}
      >
        <Menu.Target>
          <PersonButton ref={button} person={person} />
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={opens(onPassword)}>{t('shell.changePassword')}</Menu.Item>
          <Menu.Item onClick={opens(onSignOut)}>{t('shell.signOut')}</Menu.Item>
          <Menu.Divider />
          <Menu.Item onClick={opens(() => sheet.set(true))}>{t('shell.keyboardShortcuts')}</Menu.Item>
          <Menu.Divider />
          <Menu.Label>{t('start.chooseLanguage')}</Menu.Label>
          {LANGUAGES.map(({ language, name }) => (
            <Menu.Item
              key={language}
              lang={language}
              aria-current={language === spoken.get().language || undefined}
              onClick={() => choose(language)}
            >
              {name}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {isNotLoaded && (
        <div className={styles.problem} role="alert">
          {t('start.notLoaded')}
        </div>
      )}
    </>
  );
}
