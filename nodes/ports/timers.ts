export type Timer = {
  /** The callback does not run after this returns. Cancelling twice, or after the run, does nothing. */
  readonly cancel: () => void;
};

/** Waiting. Order: of two timers due at different times the earlier runs first; of two due at once, the one set first. */
export type Timers = {
  /** Runs `callback` once, `delayMs` or later from now. A negative delay counts as 0; the call never runs it at once. */
  readonly after: (delayMs: number, callback: () => void) => Timer;
  /**
   * Resolves after `delayMs`.
   * @throws the signal's reason, at once, when it aborts first.
   */
  readonly sleep: (delayMs: number, signal?: AbortSignal) => Promise<void>;
};
