import { randomUUID } from "node:crypto";

import { formatContentRange, formatUnsatisfiedRange, parseRange } from "../../shared/byte-range.ts";
import { type Digest, parseDigest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { OCTET_STREAM } from "../../shared/media-types.ts";
import { parseRepositoryName } from "../../shared/reference.ts";
import type { ByteSpan } from "../ports/disk.ts";
import type { BlobSeen } from "../registry/head-blob.ts";
import type { PulledBlob } from "../registry/pull-blob.ts";
import { type Call, type Desk, headerOf, type PlainRead, placeholder } from "./call.ts";
import { allowsRange, entityTagOf, judgeRead, preconditionFailed } from "./entity-tag.ts";
import { versionHeader } from "./meridian-headers.ts";
import { type Body, emptyReply, type Headers, type Reply, withHeaders } from "./reply.ts";
import { replyToError } from "./reply-error.ts";

/** Content never changes under a digest. */
const CACHE_CONTROL = "max-age=31536000";

export async function getBlob(call: Call, { operations }: Desk): Promise<Reply> {
  const repo = parseRepositoryName(placeholder(call, "name"));
  const digest = parseDigest(placeholder(call, "digest"));
  const blob = await operations.pullBlob.run(repo, digest, call.signal);
  const reply = replyWith(blob, digest, call);
  // Only a stream closes what it reads from.
  if (reply.body.kind !== "stream") await blob.close();
  return reply;
}

/** Only the whole of it: a range takes the long way. */
export function blobAtHand(read: PlainRead, { operations }: Desk): Reply | undefined {
  const repo = parseRepositoryName(placeholder(read, "name"));
  const digest = parseDigest(placeholder(read, "digest"));
  if (judgeRead(read.headers, digest) !== "proceed") return undefined;
  const bytes = operations.pullBlob.atHand(repo, digest);
  if (bytes === undefined) return undefined;
  return { status: 200, headers: { ...headersOf(digest, "local"), ...CONTENT }, body: { kind: "bytes", bytes } };
}

export function blobHeadAtHand(read: PlainRead, { operations }: Desk): Reply | undefined {
  const repo = parseRepositoryName(placeholder(read, "name"));
  const digest = parseDigest(placeholder(read, "digest"));
  if (judgeRead(read.headers, digest) !== "proceed") return undefined;
  const seen = operations.headBlob.atHand(repo, digest);
  return seen === undefined ? undefined : described(seen, digest);
}

function described({ size, source }: BlobSeen, digest: Digest): Reply {
  const headers = { ...headersOf(digest, source), ...CONTENT };
  return { status: 200, headers, body: { kind: "described", length: size } };
}

export async function headBlob(call: Call, { operations }: Desk): Promise<Reply> {
  const repo = parseRepositoryName(placeholder(call, "name"));
  const digest = parseDigest(placeholder(call, "digest"));
  try {
    const seen = await operations.headBlob.run(repo, digest, call.signal);
    switch (judgeRead(call.headers, digest)) {
      case "failed":
        throw preconditionFailed(digest);
      case "not-modified":
        return emptyReply(304, headersOf(digest, seen.source));
      case "proceed":
        return described(seen, digest);
    }
  } catch (error) {
    if (!isKnownElsewhere(error)) throw error;
    return withHeaders(replyToError(error), { Warning: '299 - "known here, but no holder can be reached now"' });
  }
}

export async function deleteBlob(call: Call, { operations }: Desk): Promise<Reply> {
  const repo = parseRepositoryName(placeholder(call, "name"));
  const digest = parseDigest(placeholder(call, "digest"));
  const token = await operations.deleteBlob.run({ repo, digest, actor: call.actor }, call.signal);
  return emptyReply(202, versionHeader(token));
}

export function blobLocation(repo: string, digest: Digest): string {
  return `/v2/${repo}/blobs/${digest}`;
}

const CONTENT: Headers = { "Content-Type": OCTET_STREAM, "Content-Disposition": "attachment" };

function headersOf(digest: Digest, source: string): Headers {
  return {
    "Docker-Content-Digest": digest,
    ETag: entityTagOf(digest),
    "Accept-Ranges": "bytes",
    "Cache-Control": CACHE_CONTROL,
    "Meridian-Source": source,
  };
}

function isKnownElsewhere(error: unknown): boolean {
  if (!(error instanceof RegistryError) || error.code !== "BLOB_UNKNOWN") return false;
  const { detail } = error;
  return typeof detail === "object" && detail !== null && "known" in detail;
}

function replyWith(blob: PulledBlob, digest: Digest, call: Call): Reply {
  const headers = headersOf(digest, blob.source);
  const verdict = judgeRead(call.headers, digest);
  if (verdict === "failed") return replyToError(preconditionFailed(digest));
  if (verdict === "not-modified") return emptyReply(304, headers);

  const range = allowsRange(headerOf(call, "if-range"), digest) ? headerOf(call, "range") : undefined;
  const asked = parseRange(range, blob.size);
  switch (asked.kind) {
    case "whole":
      return { status: 200, headers: { ...headers, ...CONTENT }, body: spanBody(blob, { start: 0, end: blob.size }) };
    case "unsatisfiable":
      return withHeaders(replyToError(unsatisfiable(blob.size)), {
        "Content-Range": formatUnsatisfiedRange(blob.size),
      });
    case "partial": {
      const [span, ...others] = asked.spans;
      if (span === undefined || others.length > 0) return multipartReply(blob, asked.spans, headers);
      const contentRange = { "Content-Range": formatContentRange(span, blob.size) };
      return { status: 206, headers: { ...headers, ...CONTENT, ...contentRange }, body: spanBody(blob, span) };
    }
  }
}

function unsatisfiable(size: number): RegistryError {
  return new RegistryError("SIZE_INVALID", { size }, { status: 416, message: "the blob has no such range" });
}

function spanBody(blob: PulledBlob, span: ByteSpan): Body {
  return {
    kind: "stream",
    length: span.end - span.start,
    chunks: (signal) => blob.read(span, signal),
    close: async () => await blob.close(),
  };
}

/** RFC 9110, section 14.6: the parts in the order asked for, and the exact length of it all. */
function multipartReply(blob: PulledBlob, spans: readonly ByteSpan[], headers: Headers): Reply {
  const boundary = randomUUID();
  const parts = spans.map((span, index) => ({ span, head: partHead(boundary, index, span, blob.size) }));
  const end = Buffer.from(`\r\n--${boundary}--\r\n`, "latin1");
  const length = parts.reduce((sum, { span, head }) => sum + head.length + span.end - span.start, end.length);
  const type = { "Content-Type": `multipart/byteranges; boundary=${boundary}`, "Content-Disposition": "attachment" };
  return {
    status: 206,
    headers: { ...headers, ...type },
    body: {
      kind: "stream",
      length,
      async *chunks(signal) {
        for (const { span, head } of parts) {
          yield head;
          yield* blob.read(span, signal);
        }
        yield end;
      },
      close: async () => await blob.close(),
    },
  };
}

function partHead(boundary: string, index: number, span: ByteSpan, size: number): Buffer {
  const fields = [`Content-Type: ${OCTET_STREAM}`, `Content-Range: ${formatContentRange(span, size)}`];
  return Buffer.from(`${index === 0 ? "" : "\r\n"}--${boundary}\r\n${fields.join("\r\n")}\r\n\r\n`, "latin1");
}
