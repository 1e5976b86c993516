/**
 * An answer as a value. Handlers return one and write nothing: how many bytes `Content-Length` announces, what a HEAD
 * leaves out and when a connection must end is decided once, in `send-reply.ts`, when the status is final.
 */

/** By the spelling that goes out. */
export type Headers = Readonly<Record<string, string>>;

export type Body =
  | { readonly kind: "none" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** What a GET would carry, told to a HEAD. */
  | { readonly kind: "described"; readonly length: number }
  | {
      readonly kind: "stream";
      /** In bytes: `chunks` yields exactly so many, or throws. */
      readonly length: number;
      /** Each chunk is only valid until the next is asked for. */
      readonly chunks: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
      /** Called once, whether or not `chunks` was. */
      readonly close: () => Promise<void>;
    };

export type Reply = { readonly status: number; readonly headers: Headers; readonly body: Body };

const ENCODER = new TextEncoder();

export function emptyReply(status: number, headers: Headers = {}): Reply {
  return { status, headers, body: { kind: "none" } };
}

export function bytesReply(status: number, headers: Headers, bytes: Uint8Array): Reply {
  return { status, headers, body: { kind: "bytes", bytes } };
}

/** `contentType` goes out as it is: clients compare it byte by byte, so there is no `charset`. */
export function jsonReply(
  status: number,
  value: unknown,
  headers: Headers = {},
  contentType = "application/json",
): Reply {
  return bytesReply(status, { ...headers, "Content-Type": contentType }, ENCODER.encode(JSON.stringify(value)));
}

export function textReply(status: number, text: string): Reply {
  return bytesReply(status, { "Content-Type": "text/plain; charset=utf-8" }, ENCODER.encode(text));
}

/** What `headers` name replaces what the reply says. */
export function withHeaders(reply: Reply, headers: Headers): Reply {
  return { ...reply, headers: { ...reply.headers, ...headers } };
}
