/** Unpredictable in production, seeded in the simulator. */
export type Random = {
  /** `count` random bytes, fit for names that must not be guessed. */
  readonly bytes: (count: number) => Uint8Array;
  /** Evenly distributed in [0, 1). */
  readonly fraction: () => number;
};
