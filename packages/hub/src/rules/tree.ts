/**
 * Balanced search trees that are never changed (AVL): a change makes the nodes from the root to where it is, and shares all others
 * with the tree before it. Reading and changing take as many steps as the tree is high: 1.44 times the binary logarithm of its size.
 */
export interface Tree<Key, Value> {
  readonly key: Key;
  readonly value: Value;
  readonly left: Tree<Key, Value> | undefined;
  readonly right: Tree<Key, Value> | undefined;
  readonly height: number;
}

type Subtree<Key, Value> = Tree<Key, Value> | undefined;

type Of<Key, Value> = Pick<Tree<Key, Value>, 'key' | 'value'>;

function heightOf(tree: Subtree<unknown, unknown>): number {
  return tree ? tree.height : 0;
}

function node<Key, Value>(
  left: Subtree<Key, Value>,
  { key, value }: Of<Key, Value>,
  right: Subtree<Key, Value>,
): Tree<Key, Value> {
  return { key, value, left, right, height: 1 + Math.max(heightOf(left), heightOf(right)) };
}

/** The node of two trees whose heights differ by two at most. */
function balanced<Key, Value>(
  left: Subtree<Key, Value>,
  middle: Of<Key, Value>,
  right: Subtree<Key, Value>,
): Tree<Key, Value> {
  const slope = heightOf(left) - heightOf(right);
  if (left && slope > 1) {
    const { left: outer, right: inner } = left;
    if (!inner || heightOf(outer) >= inner.height) return node(outer, left, node(inner, middle, right));
    return node(node(outer, left, inner.left), inner, node(inner.right, middle, right));
  }
  if (right && slope < -1) {
    const { left: inner, right: outer } = right;
    if (!inner || heightOf(outer) >= inner.height) return node(node(left, middle, inner), right, outer);
    return node(node(left, middle, inner.left), inner, node(inner.right, right, outer));
  }
  return node(left, middle, right);
}

export function found<Key, Value>(tree: Subtree<Key, Value>, key: Key): Value | undefined {
  let at = tree;
  while (at && at.key !== key) at = key < at.key ? at.left : at.right;
  return at?.value;
}

/** The tree with the value in place of what it had under the key. */
export function inserted<Key, Value>(tree: Subtree<Key, Value>, key: Key, value: Value): Tree<Key, Value> {
  if (!tree) return node(undefined, { key, value }, undefined);
  const { left, right } = tree;
  if (key === tree.key) return node(left, { key, value }, right);
  return key < tree.key
    ? balanced(inserted(left, key, value), tree, right)
    : balanced(left, tree, inserted(right, key, value));
}

/** The tree without what it has under the key. @param key one that it has */
export function removed<Key, Value>(tree: Subtree<Key, Value>, key: Key): Subtree<Key, Value> {
  if (!tree) return undefined;
  const { left, right } = tree;
  if (key !== tree.key) {
    return key < tree.key ? balanced(removed(left, key), tree, right) : balanced(left, tree, removed(right, key));
  }
  const next = firstOf(right);
  return next ? balanced(left, next, removed(right, next.key)) : left;
}

export function firstOf<Key, Value>(tree: Subtree<Key, Value>): Subtree<Key, Value> {
  let at = tree;
  while (at?.left) at = at.left;
  return at;
}

export function lastOf<Key, Value>(tree: Subtree<Key, Value>): Subtree<Key, Value> {
  let at = tree;
  while (at?.right) at = at.right;
  return at;
}

/** The first value, in the order of keys, of which something is true that is true of all after it as well. */
export function firstWhere<Value>(tree: Subtree<unknown, Value>, holds: (value: Value) => boolean): Value | undefined {
  let at = tree;
  let first: Value | undefined;
  while (at) {
    const here = holds(at.value);
    if (here) first = at.value;
    at = here ? at.left : at.right;
  }
  return first;
}

/** All values in the order of keys, or against it. */
export function* valuesOf<Value>(tree: Subtree<unknown, Value>, backwards = false): Generator<Value, undefined> {
  const open: Tree<unknown, Value>[] = [];
  const [before, after] = backwards ? (['right', 'left'] as const) : (['left', 'right'] as const);
  let at = tree;
  while (at || open.length > 0) {
    for (; at; at = at[before]) open.push(at);
    const next = open.pop();
    if (next) yield next.value;
    at = next?.[after];
  }
}

/** The values of this key and all after it, in the order of keys. */
export function* valuesFrom<Key, Value>(tree: Subtree<Key, Value>, from: Key): Generator<Value, undefined> {
  const later: Tree<Key, Value>[] = [];
  for (let at = tree; at; ) {
    const isLater = at.key >= from;
    if (isLater) later.push(at);
    at = isLater ? at.left : at.right;
  }
  for (let next = later.pop(); next; next = later.pop()) {
    yield next.value;
    yield* valuesOf(next.right);
  }
}

/** How values in the order of keys become one: what was found for a part of a tree is kept for the trees that share it. */
export interface Fold<Value, Sum> {
  readonly one: (value: Value) => Sum;
  readonly both: (first: Sum, second: Sum) => Sum;
  readonly known: WeakMap<object, Sum>;
}

/** All values of a tree as one. Where most of it was asked about before, this takes as many steps as the tree is high. */
export function folded<Value, Sum>(tree: Tree<unknown, Value>, fold: Fold<Value, Sum>): Sum {
  const known = fold.known.get(tree);
  if (known !== undefined) return known;
  const { left, right } = tree;
  let sum = fold.one(tree.value);
  if (left) sum = fold.both(folded(left, fold), sum);
  if (right) sum = fold.both(sum, folded(right, fold));
  fold.known.set(tree, sum);
  return sum;
}

/** A key under which two trees have different values; `undefined` where there is none. */
export interface KeyDifference<Key, Value> {
  readonly key: Key;
  readonly before: Value | undefined;
  readonly after: Value | undefined;
}

/** Takes the top of the stack apart. */
function open<Key, Value>(stack: Tree<Key, Value>[]): void {
  const top = stack.pop();
  if (top?.right) stack.push(top.right);
  if (top) stack.push(node(undefined, top, undefined));
  if (top?.left) stack.push(top.left);
}

/**
 * What one tree has differently from another, in the order of keys. What they share is not looked into, so that a few changes are found
 * in a few steps however large the trees are.
 */
export function* differences<Key, Value>(
  before: Subtree<Key, Value>,
  after: Subtree<Key, Value>,
): Generator<KeyDifference<Key, Value>, undefined> {
  const old = before ? [before] : [];
  const current = after ? [after] : [];
  for (;;) {
    const one = old.at(-1);
    const other = current.at(-1);
    if (!one && !other) return;
    if (one === other) {
      old.pop();
      current.pop();
    } else if (heightOf(one) > 1 && heightOf(one) >= heightOf(other)) open(old);
    else if (heightOf(other) > 1) open(current);
    else {
      const isOld = one !== undefined && !(other && other.key < one.key);
      const isCurrent = other !== undefined && !(one && one.key < other.key);
      if (isOld) old.pop();
      if (isCurrent) current.pop();
      const [key, was, is] = [
        isOld ? one.key : other?.key,
        isOld ? one.value : undefined,
        isCurrent ? other.value : undefined,
      ];
      if (key !== undefined && was !== is) yield { key, before: was, after: is };
    }
  }
}
