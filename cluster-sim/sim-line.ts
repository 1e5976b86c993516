/**
 * The way from one node to another for one kind of traffic, as what runs on it sees it. Meridian's calls run over TCP,
 * so a packet that is lost is no message that is lost: it is sent again, and what is behind it in the same stream waits.
 * Loss, a narrow line and a line that stands still for a while are therefore all the same to a node, time; only a
 * connection that breaks loses anything.
 *
 * Weather lies on a line for a while, and several may lie on it at once; what each names takes the place of what lies
 * below.
 */
import type { Prng } from "./prng.ts";
import type { World } from "./world.ts";

export type LineQuality = {
  /** One way, of a message that nothing holds up. */
  readonly latencyMs: number;
  /** Added to the latency of each message: anything from 0 up to this. */
  readonly jitterMs: number;
  /** Mean of what is added besides, exponentially distributed: most messages wait little, few wait long. */
  readonly tailMs: number;
  /** Share of the messages that are lost, and sent again. From 0 to below 1. */
  readonly loss: number;
  /** 0 for a line that is never full. */
  readonly bytesPerSecond: number;
  /** Share of the questions that arrive twice. */
  readonly repeats: number;
};

/** `bytes`: what `deliver` brings, for lines that are narrow. */
export type Carry = (deliver: () => void, bytes?: number) => void;

const CLEAR: LineQuality = { latencyMs: 1, jitterMs: 0, tailMs: 0, loss: 0, bytesPerSecond: 0, repeats: 0 };
/** A frame around anything. */
const ENVELOPE_BYTES = 60;
/** The least that a sender waits before it sends again, as in Linux; it doubles each time. */
const RESEND_MS_MIN = 200;
const RESENDS_MAX = 6;

export class SimLine {
  readonly #world: World;
  readonly #prng: Prng;
  readonly #held: (() => void)[] = [];
  readonly #weather = new Set<Partial<LineQuality>>();
  #climate: LineQuality = CLEAR;
  #quality: LineQuality = CLEAR;
  #isCut = false;
  /** Until then nothing arrives. */
  #stalledUntilMs = 0;
  /** When all that was sent before has passed the narrowest place. */
  #freeAtMs = 0;

  constructor(world: World, prng: Prng) {
    this.#world = world;
    this.#prng = prng;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  /** How the line is when nothing lies on it. */
  set(quality: Partial<LineQuality>): void {
    this.#climate = { ...this.#climate, ...quality };
    this.#mix();
  }

  /** Lays weather on the line. Returns what lifts it. */
  lay(quality: Partial<LineQuality>): () => void {
    const weather = { ...quality };
    this.#weather.add(weather);
    this.#mix();
    return () => {
      this.#weather.delete(weather);
      this.#mix();
    };
  }

  cut(): void {
    this.#isCut = true;
  }

  heal(): void {
    this.#isCut = false;
    for (const deliver of this.#held.splice(0)) deliver();
  }

  /** What is under way and what is sent from now on arrives when `forMs` have passed, all at once. */
  stall(forMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#world.nowMs + forMs);
  }

  /** Whether a question that is sent now arrives twice. */
  repeats(): boolean {
    const { repeats } = this.#quality;
    return repeats > 0 && this.#prng.chance(repeats);
  }

  /** A way of carrying that keeps the order of what it is given. */
  carrier(): Carry {
    let lastMs = 0;
    return (deliver, bytes = 0) => {
      lastMs = Math.max(lastMs, this.#arrivalMs(bytes));
      this.#carryUntil(lastMs, deliver);
    };
  }

  #mix(): void {
    this.#quality = [...this.#weather].reduce<LineQuality>(
      (mixed, weather) => ({ ...mixed, ...weather }),
      this.#climate,
    );
  }

  #arrivalMs(bytes: number): number {
    const { latencyMs, jitterMs, tailMs, loss, bytesPerSecond } = this.#quality;
    let arrivalMs = this.#world.nowMs + latencyMs + jitterMs * this.#prng.fraction();
    if (tailMs > 0) arrivalMs -= tailMs * Math.log(1 - this.#prng.fraction());
    if (loss > 0) arrivalMs += this.#resendingMs(loss, latencyMs);
    if (bytesPerSecond > 0) {
      const queuedMs = Math.max(0, this.#freeAtMs - this.#world.nowMs);
      const passingMs = ((ENVELOPE_BYTES + bytes) * 1000) / bytesPerSecond;
      this.#freeAtMs = this.#world.nowMs + queuedMs + passingMs;
      arrivalMs += queuedMs + passingMs;
    }
    return arrivalMs;
  }

  #resendingMs(loss: number, latencyMs: number): number {
    let waitedMs = 0;
    let waitMs = Math.max(RESEND_MS_MIN, 3 * latencyMs);
    for (let resends = 0; resends < RESENDS_MAX && this.#prng.chance(loss); resends += 1) {
      waitedMs += waitMs;
      waitMs *= 2;
    }
    return waitedMs;
  }

  #carryUntil(arrivalMs: number, deliver: () => void): void {
    this.#world.after(arrivalMs - this.#world.nowMs, () => {
      if (this.#isCut) this.#held.push(deliver);
      else if (this.#stalledUntilMs > this.#world.nowMs) this.#carryUntil(this.#stalledUntilMs, deliver);
      else deliver();
    });
  }
}
