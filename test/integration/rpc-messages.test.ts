import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";

import { send } from "../../nodes/rpc/messages.ts";

test("a source that cannot be closed while its next message is waited for fails the sending, and nothing else", async () => {
  const stop = new AbortController();
  const next = Promise.withResolvers<IteratorResult<string>>();
  const source: AsyncIterable<string> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => await next.promise,
      return: async () => await Promise.reject(new Error("it cannot be closed")),
    }),
  };

  const sending = send(source, { write: () => true }, stop.signal);
  stop.abort();
  // Time enough for a rejection that nobody has heard of to end the process.
  await setImmediate();
  next.resolve({ done: true, value: undefined });

  await expect(sending).rejects.toThrow("it cannot be closed");
});
