/** Who calls: the greeting that goes with every call, and who may pass with it. */
import { type Metadata, status } from "@grpc/grpc-js";
import type { Greeting__Output } from "../../proto/gen/meridian/v1/Greeting.ts";
import type { Greeting } from "../ports/peers.ts";
import { greetingFromMessage, MalformedMessageError } from "./convert.ts";
import { StatusError } from "./status.ts";

/** A serialised Greeting. The suffix is gRPC's mark of a binary entry. */
export const GREETING_HEADER = "meridian-greeting-bin";

/**
 * @throws {StatusError} UNAUTHENTICATED without a greeting, FAILED_PRECONDITION for a stranger to this cluster or to
 * the protocol versions spoken here.
 * @throws {MalformedMessageError}
 */
export function callerOf(
  metadata: Metadata,
  deserialize: (bytes: Buffer) => Greeting__Output,
  self: Greeting,
): Greeting {
  const [said] = metadata.get(GREETING_HEADER);
  if (!Buffer.isBuffer(said)) throw new StatusError(status.UNAUTHENTICATED, "the caller does not say who it is");

  const caller = greetingFromMessage(parsed(said, deserialize));
  if (caller.cluster !== self.cluster) {
    throw new StatusError(
      status.FAILED_PRECONDITION,
      `${self.node} belongs to cluster ${self.cluster}, ${caller.node} to ${caller.cluster}`,
    );
  }
  const { protocol: ours } = self;
  const { protocol: theirs } = caller;
  if (theirs.max < ours.min || theirs.min > ours.max) {
    throw new StatusError(
      status.FAILED_PRECONDITION,
      `no protocol version in common: ${self.node} speaks ${ours.min} to ${ours.max}, ${caller.node} ${theirs.min} to ${theirs.max}`,
    );
  }
  return caller;
}

function parsed(said: Buffer, deserialize: (bytes: Buffer) => Greeting__Output): Greeting__Output {
  try {
    return deserialize(said);
  } catch (cause) {
    throw new MalformedMessageError("the caller's greeting is no Greeting", { cause });
  }
}
