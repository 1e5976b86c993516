/** What a peer may send: bytes to a message, which gRPC does, and the message to a value, which is ours. */
import {
  auditAnswerFromMessage,
  auditLaneRequestFromMessage,
  auditRequestFromMessage,
  blobFoundFromMessage,
  greetingFromMessage,
  haveRequestFromMessage,
  imageRequestFromMessage,
  imageStateFromMessage,
  laneFrameFromMessage,
  publisherFrameFromMessage,
  pullFrameFromMessage,
  pullRequestFromMessage,
  readRequestFromMessage,
  reportFromMessage,
  subscriberFrameFromMessage,
} from "../../nodes/rpc/convert.ts";
import { loadProto } from "../../nodes/rpc/load-proto.ts";
import { isMalformed } from "../../nodes/rpc/status.ts";
import type { FuzzTarget } from "../support/fuzz/fuzzer.ts";

const { control, metadata, blobs } = loadProto();
const WORDS = [
  "eu-1",
  "eu",
  "00000000000000e1",
  "team/app",
  "latest",
  `sha256:${"ab".repeat(32)}`,
  "\x0a\x04",
  "\x10\x01",
];

function wire<Message>(
  name: string,
  decode: (bytes: Buffer) => Message,
  read: (message: Message) => unknown,
): FuzzTarget {
  return {
    name: `wire-${name}`,
    dictionary: WORDS,
    bytesMax: 4_096,
    run: (input) => {
      let message: Message;
      try {
        message = decode(Buffer.from(input));
      } catch {
        // Not even a message: gRPC ends the call.
        return;
      }
      try {
        read(message);
      } catch (error) {
        if (!isMalformed(error)) throw error;
      }
    },
  };
}

export const WIRE_TARGETS: readonly FuzzTarget[] = [
  wire("greeting", control.Greet.requestDeserialize, greetingFromMessage),
  wire("report", control.Report.responseDeserialize, reportFromMessage),
  wire("subscriber-frame", metadata.Replicate.requestDeserialize, subscriberFrameFromMessage),
  wire("publisher-frame", metadata.Replicate.responseDeserialize, publisherFrameFromMessage),
  wire("pull-request", metadata.Pull.requestDeserialize, pullRequestFromMessage),
  wire("pull-frame", metadata.Pull.responseDeserialize, pullFrameFromMessage),
  wire("image-request", metadata.Lookup.requestDeserialize, imageRequestFromMessage),
  wire("image-state", metadata.DescribeImage.responseDeserialize, imageStateFromMessage),
  wire("audit-request", metadata.Audit.requestDeserialize, auditRequestFromMessage),
  wire("audit-answer", metadata.Audit.responseDeserialize, auditAnswerFromMessage),
  wire("audit-lane-request", metadata.AuditLane.requestDeserialize, auditLaneRequestFromMessage),
  wire("audit-lane-frame", metadata.AuditLane.responseDeserialize, laneFrameFromMessage),
  wire("have-request", blobs.Have.requestDeserialize, haveRequestFromMessage),
  wire("have-answer", blobs.Have.responseDeserialize, ({ found }) => found.map((blob) => blobFoundFromMessage(blob))),
  wire("read-request", blobs.Read.requestDeserialize, readRequestFromMessage),
];
