/** gRPC by hand over HTTP/2: for what a well-behaved client would never send. */
import { connect, type IncomingHttpHeaders } from "node:http2";

export type RawCall = {
  readonly address: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Everything that is sent after the head. */
  readonly body: Uint8Array;
  /** Called when the first bytes of an answer arrive. */
  readonly onAnswered?: () => void;
};

/** `status` is the number of a gRPC status. */
export type RawAnswer = { readonly status: number; readonly message: string; readonly bodies: readonly Buffer[] };

/** One message as it stands in a stream: a flag, the length, the bytes. */
export function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export async function rawCall({ address, path, headers = {}, body, onAnswered }: RawCall): Promise<RawAnswer> {
  const session = connect(`http://${address}`);
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const ending = Promise.withResolvers<IncomingHttpHeaders>();
    stream.once("trailers", (trailers) => ending.resolve(trailers));
    // A refusal may come as one head that is also the end.
    stream.once("response", (head) => {
      if (head["grpc-status"] !== undefined) ending.resolve(head);
    });
    stream.once("error", (error) => ending.reject(error));
    stream.end(body);

    const arriving: AsyncIterable<Buffer> = stream;
    const received: Buffer[] = [];
    for await (const bytes of arriving) {
      received.push(bytes);
      onAnswered?.();
    }
    const end = await ending.promise;
    return {
      status: Number(end["grpc-status"]),
      message: decodeURI(String(end["grpc-message"] ?? "")),
      bodies: unframed(Buffer.concat(received)),
    };
  } finally {
    session.close();
  }
}

function unframed(bytes: Buffer): readonly Buffer[] {
  if (bytes.length === 0) return [];
  const end = 5 + bytes.readUInt32BE(1);
  return [bytes.subarray(5, end), ...unframed(bytes.subarray(end))];
}
