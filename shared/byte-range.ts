/**
 * Parts of a blob, as the three headers about them write it: `Range` and `Content-Range` of downloads count bytes by
 * RFC 9110, section 14; `Content-Range` and `Range` of uploads are distribution-spec's own, without a unit.
 */
import { RegistryError } from "./errors.ts";
import { RANGES_PER_REQUEST_MAX } from "./limits.ts";

/** Both in bytes; `end` is exclusive. */
export type ByteSpan = { readonly start: number; readonly end: number };

export type RequestedRange =
  /** No `Range`, or one that a server is free to ignore: the whole content, 200. */
  | { readonly kind: "whole" }
  /** The spans that can be had, in the order asked for, none of them empty: 206. */
  | { readonly kind: "partial"; readonly spans: readonly ByteSpan[] }
  /** 416. */
  | { readonly kind: "unsatisfiable" };

const INT_RANGE = /^([0-9]+)-([0-9]*)$/;
const SUFFIX_RANGE = /^-([0-9]+)$/;

/**
 * What `header` asks of a content of `size` bytes. Another unit or garbage is ignored, as are so many ranges, or ranges
 * that overlap so much, that answering them would cost more than the content. A range that ends before it starts
 * (`500-0`), which a server may ignore, is refused: a client that computed it does not want everything.
 */
export function parseRange(header: string | undefined, size: number): RequestedRange {
  const list = /^bytes=(.*)$/i.exec(header?.trim() ?? "")?.[1];
  if (list === undefined) return { kind: "whole" };
  const items = list.split(",", RANGES_PER_REQUEST_MAX + 1).map((item) => item.trim());
  if (items.length > RANGES_PER_REQUEST_MAX) return { kind: "whole" };

  const asked = items.filter((item) => item !== "").map((item) => spanOf(item, size));
  if (asked.length === 0 || asked.includes("garbage")) return { kind: "whole" };
  if (asked.includes("backwards")) return { kind: "unsatisfiable" };

  const spans = asked.filter((span) => typeof span !== "string");
  if (spans.length === 0) return { kind: "unsatisfiable" };
  const bytes = spans.reduce((sum, { start, end }) => sum + (end - start), 0);
  return bytes > size ? { kind: "whole" } : { kind: "partial", spans };
}

function spanOf(item: string, size: number): ByteSpan | "garbage" | "backwards" | "beyond" {
  const suffix = SUFFIX_RANGE.exec(item)?.[1];
  if (suffix !== undefined) {
    const start = Math.max(0, size - Number(suffix));
    return start < size ? { start, end: size } : "beyond";
  }
  const [, first, last] = INT_RANGE.exec(item) ?? [];
  if (first === undefined || last === undefined) return "garbage";
  const start = Number(first);
  const end = last === "" ? size : Math.min(size, Number(last) + 1);
  if (last !== "" && Number(last) < start) return "backwards";
  return start < size ? { start, end } : "beyond";
}

/** `Content-Range` of a 206. */
export function formatContentRange({ start, end }: ByteSpan, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}

/** `Content-Range` of a 416. */
export function formatUnsatisfiedRange(size: number): string {
  return `bytes */${size}`;
}

/** Both in bytes, both inclusive, as the header writes them. */
export type UploadRange = { readonly start: number; readonly end: number };

/** `a-b` by the specification; `bytes a-b/*` and `bytes a-b/total` by the habit of HTTP. */
const UPLOAD_RANGE = /^(?:bytes[ =])?([0-9]+)-([0-9]+)(?:\/(?:\*|[0-9]+))?$/i;

/** @throws {RegistryError} `BLOB_UPLOAD_INVALID` (416) when `header` is no range that runs upwards. */
export function parseUploadRange(header: string): UploadRange {
  const [, first, last] = UPLOAD_RANGE.exec(header.trim()) ?? [];
  const [start, end] = [Number(first), Number(last)];
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start <= end) return { start, end };
  throw new RegistryError(
    "BLOB_UPLOAD_INVALID",
    { contentRange: header.slice(0, 80) },
    { message: "Content-Range is not START-END" },
  );
}

/** `Range` of an upload that holds `size` bytes. The specification writes nothing at all and one byte alike. */
export function formatUploadProgress(size: number): string {
  return `0-${Math.max(0, size - 1)}`;
}
