import { Button, type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core';

/** A muted teal: the one color that means "in step" and "do this". */
const teal: MantineColorsTuple = [
  '#e4f5f1',
  '#cfe9e3',
  '#a5d6cb',
  '#7cc4b4',
  '#5bb3a1',
  '#3f9c8a',
  '#2c8171',
  '#1f6a5d',
  '#17574c',
  '#0e4239',
];

/** From text to ground; low in blue, for dim rooms. */
const dark: MantineColorsTuple = [
  '#d6dde3',
  '#b5c0c9',
  '#97a4af',
  '#5d6b77',
  '#34404b',
  '#28323b',
  '#1c242b',
  '#141a20',
  '#0f1419',
  '#0a0e12',
];

export const theme = createTheme({
  primaryColor: 'teal',
  primaryShade: { light: 7, dark: 3 },
  autoContrast: true,
  colors: { teal, dark },
  fontFamily: "'Inter', 'Segoe UI', system-ui, -apple-system, 'Helvetica Neue', 'Noto Sans', Arial, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'Cascadia Mono', 'SF Mono', 'DejaVu Sans Mono', Menlo, monospace",
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  defaultRadius: 'sm',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: Button.extend({
      defaultProps: { size: 'xs' },
      vars: (_, { variant = 'filled' }) => ({
        root: variant === 'filled' ? { '--button-color': 'var(--on-accent)' } : {},
      }),
    }),
    TextInput: { defaultProps: { size: 'xs' } },
    PasswordInput: { defaultProps: { size: 'sm' } },
    Textarea: { defaultProps: { size: 'xs' } },
    NativeSelect: { defaultProps: { size: 'xs' } },
    Checkbox: { defaultProps: { size: 'xs' } },
    Switch: { defaultProps: { size: 'xs' } },
    SegmentedControl: { defaultProps: { size: 'xs' } },
    Menu: { defaultProps: { transitionProps: { duration: 0 } } },
  },
});

export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#4b5864',
    '--mantine-color-placeholder': '#5c6873',
    '--mantine-color-error': '#a32a1c',
  },
  dark: {
    '--mantine-color-dimmed': '#97a4af',
    '--mantine-color-placeholder': '#8b98a3',
    '--mantine-color-error': '#f08f83',
  },
});
