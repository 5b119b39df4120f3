/** How much may wait for one subscriber. */
export type QueueBound = { readonly events: number; readonly bytes: number };

/** First in, first out, up to a bound of both number and bytes: what waits for a subscriber that doesn't read. */
export type BoundedQueue<T> = {
  /** False, and nothing added, when it would go over the bound. One item always fits. */
  readonly push: (item: T, bytes: number) => boolean;
  readonly shift: () => T | undefined;
  readonly peek: () => T | undefined;
  readonly size: () => number;
  readonly clear: () => void;
};

export function createBoundedQueue<T>(bound: QueueBound): BoundedQueue<T> {
  let items: { readonly item: T; readonly bytes: number }[] = [];
  // Array.shift moves all that remains; a head that moves instead is cut off now and then.
  let head = 0;
  let bytes = 0;

  return {
    push(item, itemBytes) {
      const size = items.length - head;
      if (size > 0 && (size >= bound.events || bytes + itemBytes > bound.bytes)) return false;
      items.push({ item, bytes: itemBytes });
      bytes += itemBytes;
      return true;
    },
    shift() {
      const first = items[head];
      if (first === undefined) return undefined;
      head++;
      bytes -= first.bytes;
      if (head === items.length || (head >= 32 && head * 2 >= items.length)) {
        items = items.slice(head);
        head = 0;
      }
      return first.item;
    },
    peek: () => items[head]?.item,
    size: () => items.length - head,
    clear() {
      items = [];
      head = 0;
      bytes = 0;
    },
  };
}
