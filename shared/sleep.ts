/**
 * Sleeping, in terms of a timer that can be cancelled: how every implementation of the timers port sleeps.
 *
 * @throws the signal's reason, at once, when it aborts before `delayMs` have passed.
 */
export async function sleepBy(
  after: (delayMs: number, callback: () => void) => { readonly cancel: () => void },
  delayMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve } = Promise.withResolvers<"elapsed" | "aborted">();
  const timer = after(delayMs, () => resolve("elapsed"));
  const onAbort = (): void => resolve("aborted");
  signal?.addEventListener("abort", onAbort, { once: true });

  const outcome = await promise;

  timer.cancel();
  signal?.removeEventListener("abort", onAbort);
  if (outcome === "aborted") signal?.throwIfAborted();
}
