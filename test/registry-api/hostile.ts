/**
 * The frame of the hostile corpus: bytes that no honest client sends, and what is held of every answer to them.
 *
 *   - it is a refusal (4xx), or the connection is closed without one; a success only where the row says why it is harmless
 *   - it comes, or the connection closes, within a bound
 *   - a refusal is an error document, and says nothing about the machine
 *   - it holds no byte of another repository
 *   - a connection that stays open is in step: the next request on it gets its own answer
 *   - a client that comes afterwards is served
 *
 * That no answer is a 500 is held twice: here, and by the node of the file, which fails it for each fault it logged.
 */
import { expect } from "vitest";

import { artifact, type Content, content, digestOf, EMPTY, image } from "../support/oci-fixtures.ts";
import { field, RawConnection, type RawReply, requestHead } from "../support/raw-http.ts";
import type { RegistryClient } from "../support/registry-client.ts";
import { test as base } from "./one-node.ts";

/** Generous: only what would hang for ever comes near it. */
const ANSWERED_WITHIN_MS = 20_000;
const NEXT_REQUEST = requestHead("GET", "/v2/", ["Connection: close"]);

/** Stands in everything that the vault holds, and in no request. */
const CANARY = "canary-5f1d7c0e9b";

/** What somebody else keeps on the same node. */
export const VAULT = "vault/private";
export const VAULT_BLOB: Content = content(`the blob of ${CANARY}`, "application/octet-stream");
export const VAULT_IMAGE: Content = image({ layers: [VAULT_BLOB], fields: { annotations: { owner: CANARY } } });
const VAULT_SIGNATURE = artifact(VAULT_IMAGE, `application/vnd.${CANARY}`);

export const test = base.extend("vault", { scope: "file", auto: true }, async ({ node }) => {
  const { client } = node;
  await client.pushManifest(VAULT, `tag-${CANARY}`, VAULT_IMAGE, [EMPTY, VAULT_BLOB]);
  await client.pushManifest(VAULT, VAULT_SIGNATURE.digest, VAULT_SIGNATURE);
  return VAULT;
});

type Bytes = string | Uint8Array;

export type HostileCase = {
  readonly title: string;
  /** Text is sent as Latin-1: one character is one byte. */
  readonly request: Bytes | ((client: RegistryClient) => Promise<Bytes>);
  /** Whether the client falls silent for good after the last byte, and says so. */
  readonly isCut: boolean;
  /** The statuses of the answers, in order; `undefined` stands for one refusal of whatever kind, or none at all. */
  readonly statuses: readonly number[] | undefined;
  /** Why no refusal is due. */
  readonly because?: string;
};

type Request = HostileCase["request"];

/** Answered by one 4xx, or not at all and the connection closed. */
export function refused(title: string, request: Request): HostileCase {
  return { title, request, isCut: false, statuses: undefined };
}

/** Answered by these statuses, none of them a success, and nothing else. */
export function refusedBy(statuses: readonly number[], title: string, request: Request): HostileCase {
  return { title, request, isCut: false, statuses };
}

/** The client stops in the middle: a 4xx or none, and the connection closed. */
export function cut(title: string, request: Request): HostileCase {
  return { title, request, isCut: true, statuses: undefined };
}

/** The specification, or HTTP, wants this answered so. */
export function harmless(statuses: readonly number[], because: string, title: string, request: Request): HostileCase {
  return { title, request, isCut: false, statuses, because };
}

/** One test for each case. */
export function holdAgainst(cases: readonly HostileCase[]): void {
  test.for(cases)("$title", async (hostile, { node }) => {
    const { request } = hostile;
    const bytes = typeof request === "function" ? await request(node.client) : request;
    const { answers, next, isHung } = await exchange(node.port, hostile, bytes);

    expect(isHung).toBe(false);
    const statuses = answers.map(({ status }) => status);
    if (hostile.statuses === undefined) {
      expect(statuses.filter((status) => status < 400 || status > 499)).toEqual([]);
    } else {
      expect(statuses).toEqual(hostile.statuses);
    }
    for (const answer of answers) {
      expect(shown(answer)).not.toContain(CANARY);
      if (answer.status >= 400 && answer.body.length > 0) expectErrorDocument(answer);
    }
    if (next !== undefined) expect(next.status).toBe(200);

    using fresh = await RawConnection.open(node.port);
    await fresh.write(NEXT_REQUEST);
    expect((await fresh.reply()).status).toBe(200);
  });
}

/** The repositories that there are when the cases of a file are through: what was refused has left nothing. */
export function holdThatOnlyTheseAreThere(...repositories: readonly string[]): void {
  test("leave nothing behind but what was accepted", async ({ client }) => {
    const reply = await client.get("/v2/_catalog?n=1000");

    expect(JSON.parse(reply.body.toString())).toEqual({ repositories: [...repositories, VAULT].toSorted() });
    expect(digestOf((await client.getManifest(VAULT, VAULT_IMAGE.digest)).body)).toBe(VAULT_IMAGE.digest);
  });
}

type Exchange = {
  readonly answers: readonly RawReply[];
  /** Of an ordinary request that followed on the same connection, when it stayed open. */
  readonly next: RawReply | undefined;
  readonly isHung: boolean;
};

async function exchange(port: number, { isCut, statuses }: HostileCase, request: Bytes): Promise<Exchange> {
  const bytes = typeof request === "string" ? Buffer.from(request, "latin1") : Buffer.from(request);
  const method = bytes.subarray(0, 5).toString("latin1") === "HEAD " ? "HEAD" : "GET";
  const answersDue = isCut ? Number.POSITIVE_INFINITY : (statuses?.length ?? 1);
  using connection = await RawConnection.open(port);
  let isHung = false;
  const timer = setTimeout(() => {
    isHung = true;
    connection.destroy();
  }, ANSWERED_WITHIN_MS);

  try {
    const written = connection.write(bytes);
    if (isCut) connection.end();
    const answers: RawReply[] = [];
    while (answers.length < answersDue && !(await connection.isAtEnd())) {
      const reply = await connection.reply(method);
      if (reply.status >= 200) answers.push(reply);
    }
    await written;
    return { answers, next: await nextOn(connection, answers), isHung };
  } finally {
    clearTimeout(timer);
  }
}

/** Proves that the connection is in step, or has come to its end. */
async function nextOn(connection: RawConnection, answers: readonly RawReply[]): Promise<RawReply | undefined> {
  const last = answers.at(-1);
  if (last !== undefined && field(last, "connection") !== "close") {
    await connection.write(NEXT_REQUEST);
    const next = await connection.reply();
    expect(await connection.isAtEnd()).toBe(true);
    return next;
  }
  expect((await connection.rest()).toString("latin1")).toBe("");
  return undefined;
}

function shown({ fields, body }: RawReply): string {
  return `${fields.map(([name, value]) => `${name}: ${value}`).join("\n")}\n\n${body.toString("latin1")}`;
}

function expectErrorDocument(answer: RawReply): void {
  expect(field(answer, "content-type")).toBe("application/json");
  expect(JSON.parse(answer.body.toString())).toMatchObject({
    errors: expect.arrayContaining([expect.objectContaining({ code: expect.stringMatching(/^[A-Z_]+$/) })]),
  });
  expect(answer.body.toString()).not.toMatch(/\bat [\w.]+ \(|node:internal|\.ts:\d|\/tmp\//);
}
