import { Switch } from '@mantine/core';
import { t } from './language/language.ts';
import styles from './shortcut-sheet.module.css';
import { sheet } from './shortcut-sheet-shown.ts';
import { SHORTCUTS, shortcutsOn, turnShortcuts } from './shortcuts.ts';
import { useStore } from './store.ts';
import { Dialog } from './ui/dialog.tsx';
import tableStyles from './ui/table.module.css';

/** Every shortcut, and the switch that turns them off. */
export default function ShortcutSheet() {
  const on = useStore(shortcutsOn);
  return (
    <Dialog onClose={() => sheet.set(false)} title={t('shortcuts.keyboardShortcuts')}>
      <table className={`${tableStyles.table} ${styles.shortcuts}`}>
        <thead>
          <tr>
            <th scope="col">{t('shortcuts.keys')}</th>
            <th scope="col">{t('shortcuts.whatTheyDo')}</th>
          </tr>
        </thead>
        <tbody>
          {SHORTCUTS.map(({ keys, what }) => (
            <tr key={what}>
              <td>
                {keys.map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </td>
              <td>{t(what)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Switch
        mt={16}
        label={t('shortcuts.useShortcuts')}
        checked={on}
        onChange={(event) => turnShortcuts(event.currentTarget.checked)}
      />
    </Dialog>
  );
}
