import type { MetadataHandlers } from "../../proto/gen/meridian/v1/Metadata.ts";
import type { Answers } from "./answers.ts";
import {
  auditAnswerToMessage,
  auditLaneRequestFromMessage,
  auditRequestFromMessage,
  imageRequestFromMessage,
  imageStateToMessage,
  laneFrameToMessage,
  publisherFrameToMessage,
  pullFrameToMessage,
  pullRequestFromMessage,
  subscriberFrameFromMessage,
} from "./convert.ts";
import { mapped } from "./messages.ts";

export function metadataService(answers: Answers): MetadataHandlers {
  return {
    Replicate: answers.exchange((calls, frames, signal) =>
      mapped(calls.replicate(mapped(frames, subscriberFrameFromMessage), signal), publisherFrameToMessage),
    ),
    Pull: answers.stream((calls, request, signal) =>
      mapped(calls.pull(pullRequestFromMessage(request), signal), pullFrameToMessage),
    ),
    Lookup: answers.unary(async (calls, request, signal) => {
      const { repo, reference } = imageRequestFromMessage(request);
      return { changes: [...(await calls.lookup(repo, reference, signal))] };
    }),
    DescribeImage: answers.unary(async (calls, request, signal) => {
      const { repo, reference } = imageRequestFromMessage(request);
      return imageStateToMessage(await calls.describeImage(repo, reference, signal));
    }),
    Audit: answers.unary(async (calls, request, signal) =>
      auditAnswerToMessage(await calls.audit(auditRequestFromMessage(request), signal)),
    ),
    AuditLane: answers.stream((calls, request, signal) => {
      const { lane, known } = auditLaneRequestFromMessage(request);
      return mapped(calls.auditLane(lane, known, signal), laneFrameToMessage);
    }),
  };
}
