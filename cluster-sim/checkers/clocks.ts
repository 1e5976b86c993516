/**
 * Holds of I19 that a node refuses writes exactly while its clock is wrong, once all is healed and each has had time to
 * ask the others. What is wrong is known here, because the true time is.
 */
import { CLOCK_EARLIEST_MS, CLOCK_OFFSET_REFUSED_MS } from "../../shared/limits.ts";
import type { NodeHost } from "../node-host.ts";

/** Ways differ there and back by as much as this: the nodes can't know better. */
const UNSURE_MS = 250;

/** What each node does about its clock that it should not; nothing is said of clocks at the edge. */
export function clocksMisjudged(hosts: readonly NodeHost[]): readonly string[] {
  return hosts.flatMap((host) => {
    const isHeld = host.node?.health().checks.some(({ name, isPassing }) => name === "clock" && !isPassing) === true;
    const isWrong = isClockWrong(host, hosts);
    if (host.node === undefined || isWrong === undefined || isWrong === isHeld) return [];
    const what = isWrong ? "is wrong, and it takes writes" : "is right, and it takes none";
    return [`the clock of ${host.name} ${what}`];
  });
}

/** `undefined` where it can be seen either way: near the bound, or when it matters whether a node that is gone counts. */
function isClockWrong(host: NodeHost, hosts: readonly NodeHost[]): boolean | undefined {
  if (host.clock.wallMs() < CLOCK_EARLIEST_MS) return true;
  const verdicts = [hosts, hosts.filter(({ isGone }) => !isGone)].map((counted) => {
    const aheadMs = Math.abs(medianOf(counted.map(({ clock }) => host.clock.aheadMs() - clock.aheadMs())));
    if (counted.length < 3) return false;
    return Math.abs(aheadMs - CLOCK_OFFSET_REFUSED_MS) < UNSURE_MS ? undefined : aheadMs > CLOCK_OFFSET_REFUSED_MS;
  });
  return verdicts[0] === verdicts[1] ? verdicts[0] : undefined;
}

/** Of an even number the one of the middle two that is nearer to 0, as nodes do it. */
function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const upper = sorted[sorted.length >> 1] ?? 0;
  const lower = sorted[(sorted.length - 1) >> 1] ?? 0;
  return Math.abs(lower) < Math.abs(upper) ? lower : upper;
}
