/**
 * The only source of chance in a simulated world: sfc32, the "small fast counting" generator of Chris Doty-Humphrey's
 * PractRand (2010). 128 bits of state, one of them a counter, so that no seed leads into a short cycle; four
 * additions and three shifts a number; nothing known that it fails. A seed is any text, hashed into the state.
 *
 * Each part of a world draws from a branch of its own, named by what it is for. A branch depends on the seed and its
 * name alone, not on what was drawn before: a part that draws once more leaves the rest of the run as it was, and
 * that is what makes a failing run small enough to read.
 */
import { hash } from "node:crypto";
import type { Random } from "../nodes/ports/random.ts";
import { invariant } from "../shared/invariant.ts";

const TWO_TO_THE_26 = 2 ** 26;
const TWO_TO_THE_27 = 2 ** 27;
const TWO_TO_THE_53 = 2 ** 53;
/** As many as it takes until every bit of the seed has reached every bit of the state. */
const WARM_UP_STEPS = 12;

export class Prng implements Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string | number) {
    this.#seed = String(seed);
    const state = hash("sha256", this.#seed, "buffer");
    this.#a = state.readInt32LE(0);
    this.#b = state.readInt32LE(4);
    this.#c = state.readInt32LE(8);
    for (let step = 0; step < WARM_UP_STEPS; step += 1) this.uint32();
  }

  /** A generator of its own for the part of the world called `name`. */
  branch(name: string): Prng {
    return new Prng(`${this.#seed}/${name}`);
  }

  /** Evenly distributed in [0, 2^32). */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  readonly fraction = (): number => {
    const high = this.uint32() % TWO_TO_THE_27;
    return (high * TWO_TO_THE_26 + (this.uint32() % TWO_TO_THE_26)) / TWO_TO_THE_53;
  };

  readonly bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => this.uint32() & 0xff);

  /** Evenly distributed in [min, max], both inclusive. */
  integer(min: number, max: number): number {
    invariant(Number.isSafeInteger(min) && Number.isSafeInteger(max) && min <= max, "an interval of integers");
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  /** True with `probability`. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.integer(0, items.length - 1)];
    invariant(item !== undefined, "something is there to pick");
    return item;
  }
}
