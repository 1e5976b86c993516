/**
 * What the calls of membership weigh on the wire, in bytes. The messages are protocol buffers and this folder may not
 * use their encoder, so the sums are written out here; a test holds them equal to what the real encoder makes.
 *
 * Around each message lies what gRPC needs: its own prefix, HTTP/2's frames and the headers, which HPACK shrinks to
 * indexes on a connection that is used again and again. That part was measured on real connections.
 */
import type { MemberNews } from "../../shared/member.ts";
import { encodeMemberNews } from "../../shared/member-news.ts";

/** Around a request and around its answer, with HTTP/2's own frames: the mean over 400 probes on one connection. */
export const FRAMING_BYTES = { request: 56, answer: 43 } as const;

const DOUBLE_BYTES = 9;
const BOOL_BYTES = 2;

export function probeBytes(target: string, news: readonly MemberNews[]): number {
  return fieldBytes(target.length) + DOUBLE_BYTES + newsBytes(news);
}

export function probeAnswerBytes(news: readonly MemberNews[]): number {
  return 2 * DOUBLE_BYTES + newsBytes(news);
}

export function probeForBytes(target: string, address: string, withinMs: number): number {
  return fieldBytes(target.length) + fieldBytes(address.length) + 1 + varintBytes(withinMs);
}

export function probeForAnswerBytes(): number {
  return BOOL_BYTES;
}

export function toldBytes(news: readonly MemberNews[]): number {
  return newsBytes(news);
}

export function compareBytes(digest: Uint8Array, news: readonly MemberNews[]): number {
  return fieldBytes(digest.length) + newsBytes(news);
}

export function compareAnswerBytes(news: readonly MemberNews[] | undefined): number {
  return BOOL_BYTES + (news === undefined ? 0 : newsBytes(news));
}

function newsBytes(news: readonly MemberNews[]): number {
  return fieldBytes(news.length === 0 ? 0 : encodeMemberNews(news).length);
}

/** A tag of one byte, the length, and what it is the length of. */
function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

function varintBytes(value: number): number {
  return value < 0x80 ? 1 : 1 + varintBytes(Math.floor(value / 0x80));
}
