/** Streams of messages to and from async iterables, with the back-pressure of the one carried over to the other. */
import type { Readable } from "node:stream";

const OVER = { done: true, value: undefined } as const;

/** A readable stream of grpc-js; its own iterator does not know what it yields. */
export type MessageSource<Message> = Pick<Readable, "iterator"> & { readonly read: (size?: number) => Message };

export type MessageSink<Message> = { readonly write: (message: Message, taken: () => void) => boolean };

/** Leaving the iteration early stops the reading and leaves the stream as it is: its other direction may go on. */
export function received<Message>(stream: MessageSource<Message>): AsyncIterable<Message> {
  return stream.iterator({ destroyOnReturn: false });
}

/**
 * Writes what `messages` yields, in order, until it ends or `stop` aborts, and then closes the iterator. One message is
 * under way and one is at hand, never more: the next is asked for while the last is still being sent, and by then
 * the last has been serialised, so that a producer may reuse its buffer. The caller ends the sink.
 *
 * @throws whatever `messages` throws. A sink that breaks is not reported here: its owner aborts `stop`.
 */
export async function send<Message>(
  messages: AsyncIterable<Message>,
  sink: MessageSink<Message>,
  stop: AbortSignal,
): Promise<void> {
  const iterator = messages[Symbol.asyncIterator]();
  let closing: Promise<unknown> | undefined;
  const close = (): void => {
    if (closing !== undefined) return;
    closing = Promise.resolve(iterator.return?.());
    // It may fail while something else is waited for, and is told below.
    closing.catch(() => undefined);
  };
  // A producer that waits for something of its own must hear of the end now, not when that something comes.
  stop.addEventListener("abort", close, { once: true });

  let sent = Promise.resolve();
  try {
    while (!stop.aborted) {
      const next = await iterator.next();
      await sent;
      if (next.done === true) return;
      sent = written(next.value, sink, stop);
    }
  } finally {
    stop.removeEventListener("abort", close);
    close();
    await closing;
  }
}

/** Begins to write at once. Resolves when `sink` has taken the message, or when `stop` aborts: a broken sink never tells. */
async function written<Message>(message: Message, sink: MessageSink<Message>, stop: AbortSignal): Promise<void> {
  if (stop.aborted) return;
  const taken = Promise.withResolvers<undefined>();
  const resolve = (): void => taken.resolve(undefined);
  stop.addEventListener("abort", resolve, { once: true });
  sink.write(message, resolve);
  await taken.promise;
  stop.removeEventListener("abort", resolve);
}

/** No generator: one that waits for the next value cannot be closed before it comes, and this must pass the closing on. */
export function mapped<Value, Message>(
  values: AsyncIterable<Value>,
  toMessage: (value: Value) => Message,
): AsyncIterable<Message> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = values[Symbol.asyncIterator]();
      return {
        next: async () => {
          const next = await iterator.next();
          return next.done === true ? OVER : { done: false, value: toMessage(next.value) };
        },
        return: async () => {
          await iterator.return?.();
          return OVER;
        },
      };
    },
  };
}
