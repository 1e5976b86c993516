/** A wire for the simulator on which every message is encoded as on the real one, by gRPC's own tables, and decoded again. */
import type { Wire } from "../../cluster-sim/sim-message.ts";
import {
  auditAnswerFromMessage,
  auditAnswerToMessage,
  bytes,
  imageStateFromMessage,
  imageStateToMessage,
  laneFrameFromMessage,
  laneFrameToMessage,
  publisherFrameFromMessage,
  publisherFrameToMessage,
  pullFrameFromMessage,
  pullFrameToMessage,
  pullRequestFromMessage,
  pullRequestToMessage,
  reportFromMessage,
  reportToMessage,
  subscriberFrameFromMessage,
  subscriberFrameToMessage,
} from "../../nodes/rpc/convert.ts";
import {
  comparedFromMessage,
  comparedToMessage,
  membersToldFromMessage,
  membersToldToMessage,
  probeAnswerFromMessage,
  probeAnswerToMessage,
  probeFromMessage,
  probeToMessage,
} from "../../nodes/rpc/convert-members.ts";
import { loadProto } from "../../nodes/rpc/load-proto.ts";

/** How one message of a method becomes bytes and comes back. */
type Codec<Message, Output> = {
  readonly serialize: (message: Message) => Buffer;
  readonly deserialize: (bytes: Buffer) => Output;
};

type Method<Request, RequestOutput, Response, ResponseOutput> = {
  readonly requestSerialize: (message: Request) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => RequestOutput;
  readonly responseSerialize: (message: Response) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => ResponseOutput;
};

export function grpcWire(): Wire {
  const { control, metadata, blobs } = loadProto();
  return {
    subscribed: over(request(metadata.Replicate), subscriberFrameToMessage, subscriberFrameFromMessage),
    published: over(response(metadata.Replicate), publisherFrameToMessage, publisherFrameFromMessage),
    pulled: over(response(metadata.Pull), pullFrameToMessage, pullFrameFromMessage),
    held: over(request(metadata.Pull), pullRequestToMessage, pullRequestFromMessage),
    news: over(request(control.TellMembers), membersToldToMessage, membersToldFromMessage),
    probe: over(request(control.Probe), probeToMessage, probeFromMessage),
    probeAnswer: over(response(control.Probe), probeAnswerToMessage, probeAnswerFromMessage),
    compared: over(request(control.CompareMembers), comparedToMessage, comparedFromMessage),
    report: over(response(control.Report), reportToMessage, reportFromMessage),
    audit: over(response(metadata.Audit), auditAnswerToMessage, auditAnswerFromMessage),
    lane: over(response(metadata.AuditLane), laneFrameToMessage, laneFrameFromMessage),
    imageState: over(response(metadata.DescribeImage), imageStateToMessage, imageStateFromMessage),
    bytes: over(
      response(blobs.Read),
      (data) => ({ data }),
      ({ data }) => bytes(data),
    ),
  };
}

function over<Value, Message, Output>(
  { serialize, deserialize }: Codec<Message, Output>,
  toMessage: (value: Value) => Message,
  fromMessage: (message: Output) => Value,
): (value: Value) => Value {
  return (value) => fromMessage(deserialize(serialize(toMessage(value))));
}

function request<A, B, C, D>(method: Method<A, B, C, D>): Codec<A, B> {
  return { serialize: method.requestSerialize, deserialize: method.requestDeserialize };
}

function response<A, B, C, D>(method: Method<A, B, C, D>): Codec<C, D> {
  return { serialize: method.responseSerialize, deserialize: method.responseDeserialize };
}
