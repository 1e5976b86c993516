/** Written by hand, because a generator that waits for its source can't be closed. */
export function mapped<Item, Result>(items: AsyncIterable<Item>, map: (item: Item) => Result): AsyncIterable<Result> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = items[Symbol.asyncIterator]();
      return {
        next: async () => {
          const next = await iterator.next();
          return next.done === true ? { done: true, value: undefined } : { done: false, value: map(next.value) };
        },
        return: async () => {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
