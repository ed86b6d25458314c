/** A place where audit records go. */
export interface AuditSink {
  /** What it is called in messages: `file`, `FHIR server`, `syslog`. */
  readonly name: string;
  /**
   * Writes records, all of them or, as far as the sink can, none.
   * @param lines AuditEvents as JSON, each in one line without its end
   * @throws when they have to be written again
   */
  write(lines: readonly string[]): Promise<void>;
  /** Opens again what was opened, after somebody moved it. @throws when that fails; it goes on as before then */
  reopen?(): Promise<void>;
  close(): Promise<void>;
}
