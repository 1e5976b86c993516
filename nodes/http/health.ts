/**
 * Four questions that look alike and must not be answered alike. *Live*: is the process worth keeping; a node that cannot
 * write still serves reads, and a restart would not mend its disk. *Started*: has it recovered. *Ready*: should this
 * node get requests. *Region*: should this region get traffic; behind it stands a global balancer, so it must not
 * flap, and it asks nothing of other regions, or one cut would turn all of them red.
 */
import type { Health, HealthCheck } from "../node.ts";
import type { Call, Desk } from "./call.ts";
import { type Reply, textReply } from "./reply.ts";

export function livez(): Reply {
  return textReply(200, "ok\n");
}

export function startupz(_call: Call, desk: Desk): Reply {
  return desk.health().isStarted ? textReply(200, "ok\n") : textReply(503, "starting\n");
}

/** With `?verbose` each check on a line of its own. */
export function readyz({ target }: Call, desk: Desk): Reply {
  const checks = checksOf(desk.health());
  const failing = checks.filter(({ isPassing }) => !isPassing);
  const told = target.query.all("verbose").length > 0 ? checks : failing;
  const lines = [...told.map(lineOf), failing.length === 0 ? "ok" : "not ready"];
  return textReply(failing.length === 0 ? 200 : 503, `${lines.join("\n")}\n`);
}

/** Green only if this region should get traffic. As long as a region is one node, that is a node that is ready. */
export function regionHealth(call: Call, desk: Desk): Reply {
  return readyz(call, desk);
}

export async function metricsPage(_call: Call, desk: Desk): Promise<Reply> {
  const { contentType, text } = await desk.renderMetrics();
  return {
    status: 200,
    headers: { "Content-Type": contentType, "Cache-Control": "no-store" },
    body: { kind: "bytes", bytes: new TextEncoder().encode(text) },
  };
}

function checksOf({ isStarted, checks }: Health): readonly HealthCheck[] {
  return [{ name: "started", isPassing: isStarted, reason: "the node is still recovering" }, ...checks];
}

function lineOf({ name, isPassing, reason }: HealthCheck): string {
  return isPassing ? `[+] ${name}` : `[-] ${name}: ${reason ?? "failing"}`;
}
