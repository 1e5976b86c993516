/** The calls by which nodes watch each other: messages to values and back. Nothing passes unparsed. */
import type { CompareAnswer, CompareAnswer__Output } from "../../proto/gen/meridian/v1/CompareAnswer.ts";
import type { CompareRequest, CompareRequest__Output } from "../../proto/gen/meridian/v1/CompareRequest.ts";
import type { MembersTold, MembersTold__Output } from "../../proto/gen/meridian/v1/MembersTold.ts";
import type {
  ProbeAnswer__Output,
  ProbeAnswer as ProbeAnswerMessage,
} from "../../proto/gen/meridian/v1/ProbeAnswer.ts";
import type { ProbeForRequest, ProbeForRequest__Output } from "../../proto/gen/meridian/v1/ProbeForRequest.ts";
import type { ProbeRequest, ProbeRequest__Output } from "../../proto/gen/meridian/v1/ProbeRequest.ts";
import { isNodeId, type NodeId } from "../../shared/identity.ts";
import { MEMBER_ADDRESS_LENGTH_MAX, PROBE_FOR_MS_MAX } from "../../shared/limits.ts";
import type { MemberNews } from "../../shared/member.ts";
import { decodeMemberNews, encodeMemberNews } from "../../shared/member-news.ts";
import type { MembersCompared, Probe, ProbeAnswer, ProbeFor } from "../ports/peers.ts";
import { bytes, MalformedMessageError, milliseconds } from "./convert.ts";

const DIGEST_BYTES = 16;

export function probeToMessage({ target, sentWallMs, news }: Probe): ProbeRequest {
  return { target, sentWallMs, news: newsToBytes(news) };
}

export function probeFromMessage({ target, sentWallMs, news }: ProbeRequest__Output): Probe {
  return { target: nodeFrom(target), sentWallMs: milliseconds(sentWallMs), news: newsFromBytes(news) };
}

export function probeAnswerToMessage({ receivedWallMs, answeredWallMs, news }: ProbeAnswer): ProbeAnswerMessage {
  return { receivedWallMs, answeredWallMs, news: newsToBytes(news) };
}

export function probeAnswerFromMessage({ receivedWallMs, answeredWallMs, news }: ProbeAnswer__Output): ProbeAnswer {
  return {
    receivedWallMs: milliseconds(receivedWallMs),
    answeredWallMs: milliseconds(answeredWallMs),
    news: newsFromBytes(news),
  };
}

export function probeForToMessage(request: ProbeFor): ProbeForRequest {
  return request;
}

export function probeForFromMessage({ target, address, withinMs }: ProbeForRequest__Output): ProbeFor {
  if (address.length > MEMBER_ADDRESS_LENGTH_MAX) throw new MalformedMessageError("an address is too long");
  if (withinMs > PROBE_FOR_MS_MAX) throw new MalformedMessageError("a probe must not take so long");
  return { target: nodeFrom(target), address, withinMs };
}

export function membersToldToMessage(news: readonly MemberNews[]): MembersTold {
  return { news: newsToBytes(news) };
}

export function membersToldFromMessage({ news }: MembersTold__Output): readonly MemberNews[] {
  return newsFromBytes(news);
}

export function comparedToMessage({ digest, news }: MembersCompared): CompareRequest {
  return { digest, news: newsToBytes(news) };
}

export function comparedFromMessage({ digest, news }: CompareRequest__Output): MembersCompared {
  if (digest.length !== DIGEST_BYTES) throw new MalformedMessageError(`a digest has ${DIGEST_BYTES} bytes`);
  return { digest: bytes(digest), news: newsFromBytes(news) };
}

export function compareAnswerToMessage(news: readonly MemberNews[] | undefined): CompareAnswer {
  return news === undefined ? { isEqual: true } : { isEqual: false, news: newsToBytes(news) };
}

export function compareAnswerFromMessage({ isEqual, news }: CompareAnswer__Output): readonly MemberNews[] | undefined {
  return isEqual ? undefined : newsFromBytes(news);
}

/** Most messages bring none: those spend no byte on saying so. */
function newsToBytes(news: readonly MemberNews[]): Uint8Array {
  return news.length === 0 ? new Uint8Array() : encodeMemberNews(news);
}

function newsFromBytes(buffer: Buffer): readonly MemberNews[] {
  return buffer.length === 0 ? [] : decodeMemberNews(bytes(buffer));
}

function nodeFrom(text: string): NodeId {
  if (isNodeId(text)) return text;
  throw new MalformedMessageError("a probe names no node");
}
