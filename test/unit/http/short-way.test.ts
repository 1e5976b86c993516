import { describe, expect, test } from "vitest";

import { digestOf } from "../../../shared/digest.ts";
import { OCI_IMAGE_MANIFEST } from "../../../shared/media-types.ts";
import { field, RawConnection, type RawReply, requestHead } from "../../support/raw-http.ts";
import { type ListeningNode, listen } from "./listening-node.ts";

const KIB = 1024;
const SMALL = Buffer.alloc(4 * KIB, "small");
const CONFIG = Buffer.from("{}");

async function ask(port: number, method: string, target: string, headers: readonly string[] = []): Promise<RawReply> {
  using connection = await RawConnection.open(port);
  await connection.write(requestHead(method, target, headers));
  return await connection.reply(method);
}

/** Without what differs between any two answers. */
function comparable({ status, fields, body }: RawReply): unknown {
  const told = fields.filter(([name]) => name !== "Date" && name !== "Keep-Alive" && name !== "Connection");
  return { status, fields: Object.fromEntries(told), body: body.toString() };
}

async function pushImage(node: ListeningNode, name: string): Promise<string> {
  await node.push("team/app", CONFIG);
  const config = { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf(CONFIG), size: CONFIG.length };
  const document = { schemaVersion: 2, mediaType: OCI_IMAGE_MANIFEST, config, layers: [], annotations: { name } };
  const body = JSON.stringify(document);
  using connection = await RawConnection.open(node.port);
  const headers = [`Content-Type: ${OCI_IMAGE_MANIFEST}`, `Content-Length: ${Buffer.byteLength(body)}`];
  await connection.write(requestHead("PUT", "/v2/team/app/manifests/v1", headers) + body);
  const reply = await connection.reply();
  return field(reply, "docker-content-digest") ?? "";
}

describe("a read that was answered before", () => {
  test.each(["GET", "HEAD"])("is answered the same by the short way: a %s of a manifest and a blob", async (method) => {
    await using node = await listen();
    const digest = await pushImage(node, "one");
    const blob = await node.push("team/app", SMALL);

    for (const target of ["/v2/team/app/manifests/v1", `/v2/team/app/manifests/${digest}`, blob]) {
      const first = await ask(node.port, method, target);
      // Whoever reads reads the bytes as well, so that a HEAD finds out no less than a GET.
      await ask(node.port, "GET", target);

      expect(comparable(await ask(node.port, method, target))).toEqual(comparable(first));
    }
  });

  test("shows what a tag names now, and not what it named before", async () => {
    await using node = await listen();
    const first = await pushImage(node, "one");
    await ask(node.port, "GET", "/v2/team/app/manifests/v1");

    const second = await pushImage(node, "two");
    const reply = await ask(node.port, "GET", "/v2/team/app/manifests/v1");

    expect(field(reply, "docker-content-digest")).toBe(second);
    expect(second).not.toBe(first);
  });

  test.each(["manifest", "blob"])("is a miss once the %s is deleted", async (kind) => {
    await using node = await listen();
    const digest = await pushImage(node, "one");
    const target = kind === "blob" ? await node.push("team/app", SMALL) : `/v2/team/app/manifests/${digest}`;
    for (const method of ["GET", "HEAD"]) expect((await ask(node.port, method, target)).status).toBe(200);

    expect((await ask(node.port, "DELETE", target)).status).toBe(202);

    for (const method of ["GET", "HEAD"]) expect((await ask(node.port, method, target)).status).toBe(404);
  });

  test("says nothing to another repository", async () => {
    await using node = await listen();
    const blob = await node.push("team/app", SMALL);
    await ask(node.port, "GET", blob);
    const elsewhere = blob.replace("team/app", "other/app");

    expect((await ask(node.port, "GET", elsewhere)).status).toBe(404);
    expect((await ask(node.port, "GET", blob)).status).toBe(200);
    expect((await ask(node.port, "HEAD", elsewhere)).status).toBe(404);
  });

  test("keeps to conditions and ranges", async () => {
    await using node = await listen();
    const digest = await pushImage(node, "one");
    const blob = await node.push("team/app", SMALL);
    const targets = ["/v2/team/app/manifests/v1", blob];
    for (const target of targets) await ask(node.port, "GET", target);

    const statusOf = async (target: string, header: string): Promise<number> =>
      (await ask(node.port, "GET", target, [header])).status;
    expect(await statusOf("/v2/team/app/manifests/v1", `If-None-Match: "${digest}"`)).toBe(304);
    expect(await statusOf("/v2/team/app/manifests/v1", 'If-Match: "sha256:other"')).toBe(412);
    expect(await statusOf(blob, `If-None-Match: "${digestOf(SMALL)}"`)).toBe(304);
    expect(await statusOf(blob, 'If-Match: "sha256:other"')).toBe(412);
    const part = await ask(node.port, "GET", blob, ["Range: bytes=1-3"]);
    expect([part.status, part.body.toString()]).toEqual([206, "mal"]);
  });

  test("is told like any other: one line, one sample, its bytes", async () => {
    await using node = await listen();
    const blob = await node.push("team/app", SMALL);
    await ask(node.port, "GET", blob);

    await ask(node.port, "GET", blob, ["User-Agent: crane/1"]);

    const lines = node.telemetry.told.filter(({ event }) => event === "request").map(({ fields }) => fields);
    expect(lines.at(-1)).toEqual({ ...lines.at(-2), durationMs: expect.any(Number), userAgent: "crane/1" });
    const route = "/v2/<name>/blobs/<digest>";
    expect(node.telemetry.read("meridian_http_requests_total", { method: "GET", route, code: "200" })).toBe(2);
    expect(node.telemetry.read("meridian_http_sent_bytes_total", { route })).toBe(2 * SMALL.length);
    expect(node.telemetry.read("meridian_blob_source_total", { source: "local" })).toBe(2);
  });
});

describe("reads that are asked in one breath", () => {
  test("are answered in their order, whichever way each takes", async () => {
    await using node = await listen();
    const blob = await node.push("team/app", SMALL);
    const other = await node.push("team/app", Buffer.from("other"));
    await ask(node.port, "GET", blob);
    using connection = await RawConnection.open(node.port);
    const targets = Array.from({ length: 60 }, (_, index) => [blob, "/v2/", other, "/v2/a/tags/list"][index % 4] ?? "");

    await connection.write(targets.map((target) => requestHead("GET", target)).join(""));
    const bodies: string[] = [];
    for (const _ of targets) bodies.push((await connection.reply()).body.toString().slice(0, 5));

    expect(bodies).toEqual(targets.map((_, index) => ["small", "{}", "other", '{"err'][index % 4]));
  });

  test("by a reader who stands still are not all held in memory, and he is given up", async () => {
    await using node = await listen({ idleMs: 100 });
    const bytes = Buffer.alloc(256 * KIB, "x");
    const blob = await node.push("team/app", bytes);
    // Of medium size: at hand from the second reading on.
    for (let read = 0; read < 2; read += 1) await ask(node.port, "GET", blob);
    using connection = await RawConnection.open(node.port);

    await connection.write(requestHead("GET", blob).repeat(90));
    await expect.poll(() => node.telemetry.read("meridian_http_connections", { listener: "registry" })).toBe(0);

    const begun = node.telemetry.told.filter(({ event }) => event === "request").length - 2;
    expect(begun).toBeLessThan(90);
  });
});
