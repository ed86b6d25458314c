/** What is used of `dcmjs`, which brings no types. */
declare module 'dcmjs' {
  const dcmjs: {
    readonly data: {
      readonly DicomMessage: { readFile(file: ArrayBuffer): { readonly dict: object } };
      readonly DicomMetaDictionary: { naturalizeDataset(dict: object): Readonly<Record<string, unknown>> };
    };
  };
  export default dcmjs;
}
