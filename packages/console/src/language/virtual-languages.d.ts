/** Made by `build/messages.ts`. */
declare module 'virtual:languages' {
  type Messages = import('./language.ts').Messages;
  const languages: Readonly<
    Record<
      string,
      { readonly name: string; readonly files: Readonly<Record<string, () => Promise<{ readonly default: Messages }>>> }
    >
  >;
  export default languages;
}
