/**
 * One connection's bytes in one direction, through what the network does to them.
 *
 * Bytes are read as the sender gives them and wait in a queue until they are due. The queue is the wire: it holds
 * what would be in flight, and when it is full the sender is not read from, so its socket fills and it stops, exactly
 * as on a long fat line. Ends travel in the queue too: a FIN or a reset arrives after the bytes before it, with the
 * same delay, and is held back by the same cut.
 */
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { invariant, unreachable } from "../../shared/invariant.ts";
import type { LinkDirection } from "./link-direction.ts";

/** 105 ms at 150 MB/s. More would only be memory: no line of the lab is longer and faster. */
const IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024;
const IN_FLIGHT_PIECES_MAX = 8192;

type InFlight =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly dueAtMs: number }
  | { readonly kind: "end"; readonly dueAtMs: number }
  | { readonly kind: "reset"; readonly dueAtMs: number };

export class Pipe {
  readonly #source: Socket;
  readonly #direction: LinkDirection;
  readonly #signal: AbortSignal;
  readonly #inFlight: InFlight[] = [];
  readonly #changes = new EventTarget();
  #inFlightBytes = 0;
  #takenBytes = 0;
  #hasSourceEnded = false;

  /** Starts to read `source` at once. `signal` aborts when the connection is over, however it ended. */
  constructor(source: Socket, direction: LinkDirection, signal: AbortSignal) {
    this.#source = source;
    this.#direction = direction;
    this.#signal = signal;
  }

  /** The sender has closed or broken its end; what it sent before may still be on its way. */
  get hasSourceEnded(): boolean {
    return this.#hasSourceEnded;
  }

  /** Takes bytes from the source until it ends. Settles when there is no more to take; never rejects. */
  async takeIn(): Promise<void> {
    try {
      for await (const chunk of chunksOf(this.#source)) {
        for (const piece of this.#direction.pieces(chunk)) {
          if (!(await this.#takePiece(piece))) return;
        }
      }
      this.#end("end");
    } catch {
      // Broken by its sender, or over because of the other direction: then nobody reads the queue any more.
      this.#end("reset");
    }
  }

  /**
   * Gives the bytes to `target` when they are due, and at last says how the source ended; a FIN has been passed on then.
   * @throws when the connection is over or `target` breaks.
   */
  async deliverTo(target: Socket): Promise<"end" | "reset"> {
    // What was taken in while the connection was being made starts its travel only now.
    const firstDueAtMs = performance.now() + this.#direction.travelMs();
    while (true) {
      const next = await this.#next();
      const waitMs = Math.max(firstDueAtMs, next.dueAtMs) - performance.now();
      if (waitMs > 0) await sleep(waitMs, undefined, { signal: this.#signal });
      await this.#direction.whole(this.#signal);
      switch (next.kind) {
        case "bytes":
          if (!target.write(next.bytes)) await once(target, "drain", { signal: this.#signal });
          this.#release(next.bytes.length);
          break;
        case "end":
          target.end();
          return "end";
        case "reset":
          return "reset";
        default:
          unreachable(next);
      }
    }
  }

  /** Answers false when the data limit is reached and the connection ends here. */
  async #takePiece(piece: Uint8Array): Promise<boolean> {
    // Nobody is there any more: read on, so that the sender's own end is noticed.
    if (this.#signal.aborted) return true;
    await this.#direction.transmit(piece.length, this.#signal);
    while (this.#inFlightBytes >= IN_FLIGHT_BYTES_MAX || this.#inFlight.length >= IN_FLIGHT_PIECES_MAX) {
      await once(this.#changes, "change", { signal: this.#signal });
    }

    const bytesLeft = (this.#direction.toxics.limitData?.bytes ?? Number.POSITIVE_INFINITY) - this.#takenBytes;
    const bytes = piece.subarray(0, Math.max(0, Math.min(piece.length, bytesLeft)));
    this.#takenBytes += bytes.length;
    this.#inFlightBytes += bytes.length;
    if (bytes.length > 0) this.#push({ kind: "bytes", bytes, dueAtMs: this.#dueAtMs() });
    if (bytes.length === piece.length) return true;
    this.#end("reset");
    return false;
  }

  #end(kind: "end" | "reset"): void {
    this.#hasSourceEnded = true;
    this.#push({ kind, dueAtMs: this.#dueAtMs() });
  }

  /** Later bytes may be due earlier, when the line has become faster; the queue keeps them in their order all the same. */
  #dueAtMs(): number {
    return performance.now() + this.#direction.travelMs();
  }

  #push(entry: InFlight): void {
    this.#inFlight.push(entry);
    this.#changes.dispatchEvent(new Event("change"));
  }

  async #next(): Promise<InFlight> {
    while (true) {
      const next = this.#inFlight.shift();
      if (next !== undefined) return next;
      await once(this.#changes, "change", { signal: this.#signal });
    }
  }

  #release(byteCount: number): void {
    this.#inFlightBytes -= byteCount;
    invariant(this.#inFlightBytes >= 0, "no more bytes leave a line than came in");
    this.#changes.dispatchEvent(new Event("change"));
  }
}

/** @throws when the socket breaks or is destroyed before its end. */
async function* chunksOf(socket: Socket): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterable<unknown> = socket.iterator({ destroyOnReturn: false });
  for await (const chunk of chunks) {
    invariant(chunk instanceof Uint8Array, "a socket without an encoding gives bytes");
    yield chunk;
  }
}
