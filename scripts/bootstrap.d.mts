export const root: string;
export const NODE_FLAGS: readonly string[];
export function markInstalled(): void;
export function ensureInstalled(): void;
export function modernNode(): string;
export function runNode(args: readonly string[]): Promise<number>;
