import type { Timers } from "../ports/timers.ts";

/** Makes a call that ends after `limitMs` at the latest, or when `signal` aborts: the call is given a signal that says so. */
export async function within<Answer>(
  timers: Timers,
  limitMs: number,
  call: (signal: AbortSignal) => Promise<Answer>,
  signal?: AbortSignal,
): Promise<Answer> {
  const deadline = new AbortController();
  const timer = timers.after(limitMs, () => deadline.abort(new Error(`no answer within ${limitMs} ms`)));
  try {
    return await call(signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]));
  } finally {
    timer.cancel();
  }
}
