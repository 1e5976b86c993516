import type { IncomingMessage } from "node:http";

import { HEADERS_MAX } from "../../shared/limits.ts";

export type HeadProblem = { readonly reason: string; readonly status: number; readonly message: string };

/** What Node lets pass and nobody should. Asked of every request, so it makes nothing. */
export function problemWithHead({
  rawHeaders,
  httpVersionMajor,
  httpVersionMinor,
  headers,
}: IncomingMessage): HeadProblem | undefined {
  // Node's parser knows a 0.9 and a 2.0 as well, and reads both like 1.1.
  if (httpVersionMajor !== 1) return { reason: "malformed", status: 400, message: "only HTTP/1.1 is spoken here" };
  // Names and values take turns.
  if (rawHeaders.length > 2 * HEADERS_MAX) {
    return { reason: "headers", status: 431, message: `more than ${HEADERS_MAX} headers` };
  }

  const hosts = countHosts(rawHeaders);
  const isHostNeeded = httpVersionMinor > 0;
  if (hosts > 1 || (hosts === 0 && isHostNeeded)) {
    return { reason: "host", status: 400, message: hosts > 1 ? "more than one Host" : "no Host" };
  }

  const coding = headers["transfer-encoding"];
  if (coding !== undefined && coding.trim().toLowerCase() !== "chunked") {
    return { reason: "headers", status: 400, message: "Transfer-Encoding other than chunked is not supported" };
  }
  return undefined;
}

function countHosts(rawHeaders: readonly string[]): number {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === "host") hosts += 1;
  }
  return hosts;
}
