/**
 * HTTP/1.1 by hand, for what no client library would send and for answers whose every byte counts: duplicated headers, a
 * body cut in the middle, two requests on one connection, an interim answer.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export type RawReply = {
  readonly status: number;
  /** As they came, in order: a header that is there twice stands here twice. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
};

const CRLF = "\r\n";

/** A request without a body, or with one whose framing the caller wrote into `headers`. */
export function requestHead(method: string, target: string, headers: readonly string[] = []): string {
  return [`${method} ${target} HTTP/1.1`, "Host: 127.0.0.1", ...headers, "", ""].join(CRLF);
}

export function field(reply: RawReply, name: string): string | undefined {
  return reply.fields.find(([given]) => given.toLowerCase() === name)?.[1];
}

export class RawConnection {
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Buffer, unknown>;
  #buffered = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#chunks = socket.iterator({ destroyOnReturn: false });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    // What happens to the connection is read from the answers; an error event that nobody hears would end the process.
    socket.on("error", () => undefined);
    return new RawConnection(socket);
  }

  /** Resolves when the bytes are with the system, or were refused because the other side has closed. */
  async write(bytes: string | Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#socket.write(bytes, () => resolve(undefined));
    await promise;
  }

  /** The next answer, interim ones included. @throws when the connection ends before it is complete. */
  async reply(method = "GET"): Promise<RawReply> {
    const head = (await this.#through(`${CRLF}${CRLF}`)).toString("latin1");
    const [statusLine = "", ...lines] = head.trimEnd().split(CRLF);
    const status = Number(statusLine.split(" ")[1]);
    const fields = lines.map((line): readonly [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const bare = { status, fields, body: Buffer.alloc(0) };
    if (method === "HEAD" || status < 200 || status === 204 || status === 304) return bare;
    if (field(bare, "transfer-encoding") === "chunked") return { ...bare, body: await this.#chunked() };
    const length = field(bare, "content-length");
    return { ...bare, body: length === undefined ? await this.rest() : await this.#exactly(Number(length)) };
  }

  /** The first `size` bytes of the next answer's body, whose end is not waited for. */
  async bodyStart(size: number): Promise<Buffer> {
    await this.#through(`${CRLF}${CRLF}`);
    return await this.#exactly(size);
  }

  /** Everything until the other side closes. */
  async rest(): Promise<Buffer> {
    const parts: Buffer[] = [];
    do parts.push(this.#take(this.#buffered.length));
    while (await this.#fill());
    return Buffer.concat(parts);
  }

  /** Whether the other side has closed and everything it sent has been read; waits until one or the other is known. */
  async isAtEnd(): Promise<boolean> {
    return this.#buffered.length === 0 && !(await this.#fill());
  }

  /** Says that nothing more will be sent; answers can still be read. */
  end(): void {
    this.#socket.end();
  }

  /** Ends the connection at once, in the middle of whatever was being sent. */
  destroy(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  async #chunked(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    while (true) {
      const size = Number.parseInt((await this.#through(CRLF)).toString("latin1"), 16);
      const chunk = await this.#exactly(size + CRLF.length);
      if (size === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, size));
    }
  }

  async #through(end: string): Promise<Buffer> {
    while (!this.#buffered.includes(end)) await this.#fillOrFail();
    return this.#take(this.#buffered.indexOf(end) + end.length);
  }

  async #exactly(size: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let missing = size; missing > 0; ) {
      if (this.#buffered.length === 0) await this.#fillOrFail();
      const part = this.#take(Math.min(missing, this.#buffered.length));
      missing -= part.length;
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  #take(size: number): Buffer {
    const taken = this.#buffered.subarray(0, size);
    this.#buffered = this.#buffered.subarray(size);
    return taken;
  }

  async #fillOrFail(): Promise<void> {
    if (await this.#fill()) return;
    throw new Error(`the connection ended after ${this.#buffered.length} bytes of an answer`);
  }

  /** Whether more has come; not so once the other side has closed or reset. */
  async #fill(): Promise<boolean> {
    try {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#buffered = Buffer.concat([this.#buffered, next.value]);
      return true;
    } catch {
      return false;
    }
  }
}
