/** What time it is. Nothing below floor 6 knows another way to ask. */
export type Clock = {
  /** Milliseconds since the epoch. May jump either way; only the hybrid logical clock and what people read use it. */
  readonly wallMs: () => number;
  /** Milliseconds since an arbitrary start, with a fraction. Never goes back; every timeout and duration uses it. */
  readonly monotonicMs: () => number;
};
