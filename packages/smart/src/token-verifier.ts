import type { TokenDoor } from './token-door.ts';
import type { AccessEnded, TokenInfo } from './token-info.ts';

/** Who knows what access tokens stand for, and when that ends. */
export interface TokenVerifier {
  /** Lets requests in by the access tokens that they show: what every door asks that takes one. */
  readonly tokens: TokenDoor;
  /** What an access token stands for; undefined at once after it has ended (TOK-6). Doors ask `tokens`. */
  verifyToken(token: string): Promise<TokenInfo | undefined>;
  /**
   * Tells what access has ended: live subscriptions made with it must be denied. Whoever ends it is answered once that is
   * done; the listener never rejects.
   */
  onAccessEnded(listener: (ended: AccessEnded) => void | Promise<void>): () => void;
  /** Another node has ended this access. */
  invalidate(ended: AccessEnded): void;
  /** What other nodes have ended or changed may not have been announced here: the store is asked again about everything. */
  doubt(): void;
}
