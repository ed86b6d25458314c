import { crc32 } from 'node:zlib';

/** CRC-32 of all that an entry of the log says: SQLite itself does not notice a byte that the disk has changed. */
export function entryChecksum(id: string, at: number, epoch: string, body: string): number {
  return crc32(body, crc32(`${id}\n${at}\n${epoch}\n`));
}
