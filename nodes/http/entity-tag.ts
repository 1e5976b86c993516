/**
 * Conditional requests. Everything a registry serves has a strong validator for nothing: the digest. Clients send it
 * quoted, bare, in lists and as `*`; all are read.
 * Source: RFC 9110, section 13.
 */
import type { IncomingHttpHeaders } from "node:http";

import type { Digest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";

/** The tags of an `If-Match` or `If-None-Match`. */
export type EntityTags = { readonly kind: "any" } | { readonly kind: "list"; readonly tags: readonly EntityTag[] };

type EntityTag = { readonly value: string; readonly isWeak: boolean };

export function entityTagOf(digest: Digest): string {
  return `"${digest}"`;
}

/** `undefined` when there is no such header. Tags hold no comma here, because digests hold none. */
export function parseEntityTags(header: string | undefined): EntityTags | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === "*") return { kind: "any" };
  const tags = header
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map(parseEntityTag);
  return { kind: "list", tags };
}

function parseEntityTag(text: string): EntityTag {
  const isWeak = text.startsWith("W/");
  const opaque = isWeak ? text.slice(2) : text;
  const isQuoted = opaque.length >= 2 && opaque.startsWith('"') && opaque.endsWith('"');
  return { value: isQuoted ? opaque.slice(1, -1) : opaque, isWeak };
}

export type Verdict = "proceed" | "not-modified" | "failed";

/** What the conditions of a read make of content that is there. Source: RFC 9110, section 13.2.2. */
export function judgeRead(headers: IncomingHttpHeaders, digest: Digest): Verdict {
  const ifMatch = parseEntityTags(headers["if-match"]);
  if (ifMatch !== undefined && !isAmong(strongDigestsOf(ifMatch), digest)) return "failed";
  const ifNoneMatch = parseEntityTags(headers["if-none-match"]);
  return ifNoneMatch !== undefined && isAmong(weakDigestsOf(ifNoneMatch), digest) ? "not-modified" : "proceed";
}

function isAmong(digests: "any" | readonly string[], digest: Digest): boolean {
  return digests === "any" || digests.includes(digest);
}

export function preconditionFailed(digest: Digest): RegistryError {
  return new RegistryError("DENIED", { digest }, { status: 412, message: "precondition failed" });
}

/** What `If-Match` accepts: a weak tag never matches. */
export function strongDigestsOf(tags: EntityTags): "any" | readonly string[] {
  return tags.kind === "any" ? "any" : tags.tags.filter(({ isWeak }) => !isWeak).map(({ value }) => value);
}

/** What `If-None-Match` excludes. */
export function weakDigestsOf(tags: EntityTags): "any" | readonly string[] {
  return tags.kind === "any" ? "any" : tags.tags.map(({ value }) => value);
}

/** Whether a `Range` counts: `If-Range` is absent or names exactly these bytes. A date never does, as we send none. */
export function allowsRange(ifRange: string | undefined, digest: Digest): boolean {
  if (ifRange === undefined) return true;
  const { value, isWeak } = parseEntityTag(ifRange.trim());
  return !isWeak && value === digest;
}
