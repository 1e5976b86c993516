/**
 * The peers port over gRPC: what a node can ask of another.
 *
 * Three connections to each peer, because HTTP/2 streams of one connection share its packets: behind a layer of a
 * gigabyte a probe would wait for seconds and the peer would look dead. grpc-js joins channels of equal address and
 * options into one connection unless each has its own pool.
 *
 * The two that carry bulk announce a window as large as what is under way on a long line. The window belongs to
 * the connection as well as to each stream, so a stream that nobody reads takes it from the others: whoever pulls
 * keeps reading, or cancels.
 */
import { type ClientOptions, Metadata } from "@grpc/grpc-js";
import { RPC_MESSAGE_BYTES_MAX, RPC_WINDOW_BYTES } from "../../shared/limits.ts";
import type { Greeting, PeerLink, Peers } from "../ports/peers.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { GREETING_HEADER } from "./caller.ts";
import { Calls } from "./calls.ts";
import { Connection, SocketOwners } from "./connection.ts";
import {
  auditAnswerFromMessage,
  auditLaneRequestToMessage,
  auditRequestToMessage,
  blobFoundFromMessage,
  bytes,
  greetingFromMessage,
  greetingToMessage,
  haveRequestToMessage,
  imageRequestToMessage,
  imageStateFromMessage,
  laneFrameFromMessage,
  publisherFrameFromMessage,
  pullFrameFromMessage,
  pullRequestToMessage,
  readRequestToMessage,
  reportFromMessage,
  subscriberFrameToMessage,
} from "./convert.ts";
import {
  compareAnswerFromMessage,
  comparedToMessage,
  membersToldToMessage,
  probeAnswerFromMessage,
  probeForToMessage,
  probeToMessage,
} from "./convert-members.ts";
import { loadProto, type Proto } from "./load-proto.ts";
import { mapped } from "./messages.ts";

const OPTIONS: ClientOptions = {
  "grpc.use_local_subchannel_pool": 1,
  "grpc.max_receive_message_length": RPC_MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": RPC_MESSAGE_BYTES_MAX,
  // Whether and when to try again is for the caller's machine to decide.
  "grpc.enable_retries": 0,
  // Neither a proxy that the environment names for HTTP, nor options that somebody put into DNS.
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.enable_channelz": 0,
};

/** On the control connection the regular greetings tell the same. */
const BULK_OPTIONS: ClientOptions = {
  ...OPTIONS,
  "grpc-node.flow_control_window": RPC_WINDOW_BYTES,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 1,
};

/** One for the process. */
export function createGrpcPeers({ telemetry }: { readonly telemetry: Telemetry }): (self: Greeting) => Peers {
  const proto = loadProto();
  const owners = new SocketOwners();
  return (self) => {
    const metadata = new Metadata();
    metadata.set(GREETING_HEADER, proto.control.Greet.requestType.serialize(greetingToMessage(self)));
    return {
      dial: (address) => {
        const open = (options: ClientOptions): Calls =>
          new Calls({ connection: new Connection({ address, owners, options }), metadata, telemetry });
        return linkOver(proto, { control: open(OPTIONS), metadata: open(BULK_OPTIONS), blobs: open(BULK_OPTIONS) });
      },
    };
  };
}

type Lines = { readonly control: Calls; readonly metadata: Calls; readonly blobs: Calls };

function linkOver(proto: Proto, { control, metadata, blobs }: Lines): PeerLink {
  return {
    greet: async (greeting, signal) =>
      await control.ask(proto.control.Greet, greetingToMessage(greeting), greetingFromMessage, signal),
    probe: async (probe, signal) =>
      await control.ask(proto.control.Probe, probeToMessage(probe), probeAnswerFromMessage, signal),
    probeFor: async (request, signal) =>
      await control.ask(proto.control.ProbeFor, probeForToMessage(request), ({ isReached }) => isReached, signal),
    tellMembers: async (news, signal) =>
      await control.ask(proto.control.TellMembers, membersToldToMessage(news), () => undefined, signal),
    compareMembers: async (compared, signal) =>
      await control.ask(proto.control.CompareMembers, comparedToMessage(compared), compareAnswerFromMessage, signal),
    report: async (signal) => await control.ask(proto.control.Report, {}, reportFromMessage, signal),
    replicate: (acks, signal) =>
      metadata.exchange(
        proto.metadata.Replicate,
        mapped(acks, subscriberFrameToMessage),
        publisherFrameFromMessage,
        signal,
      ),
    pull: (have, signal) =>
      metadata.stream(proto.metadata.Pull, pullRequestToMessage(have), pullFrameFromMessage, signal),
    lookup: async (repo, reference, signal) =>
      await metadata.ask(
        proto.metadata.Lookup,
        imageRequestToMessage(repo, reference),
        ({ changes }) => changes.map((change) => bytes(change)),
        signal,
      ),
    describeImage: async (repo, reference, signal) =>
      await metadata.ask(
        proto.metadata.DescribeImage,
        imageRequestToMessage(repo, reference),
        imageStateFromMessage,
        signal,
      ),
    audit: async (question, signal) =>
      await metadata.ask(proto.metadata.Audit, auditRequestToMessage(question), auditAnswerFromMessage, signal),
    auditLane: (lane, known, signal) =>
      metadata.stream(proto.metadata.AuditLane, auditLaneRequestToMessage(lane, known), laneFrameFromMessage, signal),
    have: async (repo, digests, signal) =>
      await blobs.ask(
        proto.blobs.Have,
        haveRequestToMessage(repo, digests),
        ({ found }) => found.map((blob) => blobFoundFromMessage(blob)),
        signal,
      ),
    readBlob: (digest, offset, signal) =>
      blobs.stream(proto.blobs.Read, readRequestToMessage(digest, offset), ({ data }) => bytes(data), signal),
    close: () => {
      for (const line of [control, metadata, blobs]) line.close();
    },
  };
}
