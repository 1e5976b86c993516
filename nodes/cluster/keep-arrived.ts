import { MalformedBytesError } from "../../shared/bytes.ts";
import { RegistryError } from "../../shared/errors.ts";
import { InvariantError } from "../../shared/invariant.ts";
import type { Greeting } from "../ports/peers.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Arrived } from "../storage/merge-arrived.ts";
import type { Metadata } from "../storage/metadata.ts";
import { ChainError } from "../storage/op-log.ts";

type Deps = { readonly metadata: Metadata; readonly telemetry: Telemetry };
type Sender = { readonly greeting: Pick<Greeting, "node"> };

/** Whether what `sender` sent is durable now. What is refused is counted and told, and nothing of it is kept. */
export async function keepArrived(deps: Deps, sender: Sender, arrived: Arrived): Promise<boolean> {
  try {
    await deps.metadata.commit(arrived);
    return true;
  } catch (cause) {
    if (cause instanceof InvariantError) throw cause;
    tellRefusal(deps, sender, cause);
    return false;
  }
}

export function tellRefusal({ metadata, telemetry }: Deps, { greeting }: Sender, cause: unknown): void {
  // A fenced node refuses everything, and has said so.
  if (metadata.isFenced() !== undefined) return;
  const reason = senselessness(cause);
  if (reason !== undefined) telemetry.count("meridian_replication_refused_total", { reason });
  const problem = cause instanceof Error ? cause.message : String(cause);
  telemetry.log("error", "could not keep what a peer sent", { peer: greeting.node, reason, problem });
}

/** A value of the label `reason`; `undefined` when it is not what the peer sent that is wrong. */
export function senselessness(cause: unknown): "chain" | "malformed" | undefined {
  if (cause instanceof ChainError) return "chain";
  if (cause instanceof MalformedBytesError) return "malformed";
  // A manifest that came along and is none.
  return cause instanceof RegistryError && cause.code !== "UNAVAILABLE" ? "malformed" : undefined;
}
