import { describe, expect } from "vitest";

import { digestOf, noise } from "../support/oci-fixtures.ts";
import { field, RawConnection, requestHead } from "../support/raw-http.ts";
import {
  detailOf,
  headersOf,
  locationOf,
  type RegistryClient,
  type Reply,
  refusalOf,
  tally,
  withParameter,
} from "../support/registry-client.ts";
import { test } from "./one-node.ts";

const CHUNKS = [noise(1024, "first"), noise(1024, "second"), noise(1019, "third")] as const;
const WHOLE = Buffer.concat(CHUNKS);
const WRONG_DIGEST = digestOf("other bytes");

/** What an upload has taken so far, as GET tells it. */
async function progressOf(client: RegistryClient, location: string): Promise<string | undefined> {
  const reply = await client.get(location);
  expect(reply.status).toBe(204);
  return reply.headers["range"];
}

/** Asserts the 201 of a finished upload and that the blob can be had where it says. */
async function expectStored(client: RegistryClient, reply: Reply, bytes: Uint8Array, digest: string): Promise<void> {
  expect(reply.status).toBe(201);
  expect(headersOf(reply, "docker-content-digest", "content-length")).toEqual({
    "docker-content-digest": digest,
    "content-length": "0",
  });
  expect((await client.get(locationOf(reply))).body).toEqual(bytes);
}

describe("an upload begins", () => {
  test("with 202 and a place of its own, told as a path (oci end-4a, 11.2.1, 11.2.2)", async ({ client, repo }) => {
    const reply = await client.post(`/v2/${repo}/blobs/uploads/`);

    expect(reply.status).toBe(202);
    expect(
      headersOf(reply, "location", "range", "content-length", "docker-upload-uuid", "oci-chunk-min-length"),
    ).toEqual({
      location: expect.stringMatching(new RegExp(`^/v2/${repo}/blobs/uploads/[^/?]+`)),
      range: "0-0",
      "content-length": "0",
      "docker-upload-uuid": expect.stringMatching(/^[0-9a-z.-]+$/),
      "oci-chunk-min-length": undefined,
    });
  });

  test("also without the slash at the end, not by a redirect (oci end-4a)", async ({ client, repo }) => {
    const reply = await client.post(`/v2/${repo}/blobs/uploads`);

    expect(reply.status).toBe(202);
  });

  test("whatever type the empty body claims to be (oci 11.2.9)", async ({ client, repo }) => {
    const reply = await client.post(`/v2/${repo}/blobs/uploads/`, { headers: { "Content-Type": "application/json" } });

    expect(reply.status).toBe(202);
  });

  test("at the same path whatever proxies claim about the client's own address (oci 14.94)", async ({
    client,
    repo,
  }) => {
    const reply = await client.post(`/v2/${repo}/blobs/uploads/`, {
      headers: { "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", Forwarded: "host=evil.example" },
    });

    expect(locationOf(reply)).toMatch(new RegExp(`^/v2/${repo}/blobs/uploads/`));
  });

  test("dozens of times without being finished, as retrying clients do (oci 11.2.15)", async ({ client, repo }) => {
    const locations = await Promise.all(Array.from({ length: 60 }, async () => await client.startUpload(repo)));

    expect(new Set(locations).size).toBe(60);
  });
});

describe("a blob in one request", () => {
  test("is taken by POST with its digest (oci end-4b)", async ({ client, repo }) => {
    const digest = digestOf(WHOLE);

    const reply = await client.post(`/v2/${repo}/blobs/uploads/?digest=${digest}`, { body: WHOLE });

    await expectStored(client, reply, WHOLE, digest);
    expect(locationOf(reply)).toBe(`/v2/${repo}/blobs/${digest}`);
  });

  test("is refused by POST when the digest is another's, and is not kept (oci end-4b)", async ({ client, repo }) => {
    const reply = await client.post(`/v2/${repo}/blobs/uploads/?digest=${WRONG_DIGEST}`, { body: WHOLE });

    expect(refusalOf(reply)).toEqual({ status: 400, codes: ["DIGEST_INVALID"] });
    expect((await client.head(`/v2/${repo}/blobs/${digestOf(WHOLE)}`)).status).toBe(404);
    expect((await client.head(`/v2/${repo}/blobs/${WRONG_DIGEST}`)).status).toBe(404);
  });

  test("is taken by POST and PUT (oci end-6)", async ({ client, repo }) => {
    const digest = digestOf(WHOLE);

    const reply = await client.finishUpload(await client.startUpload(repo), digest, { body: WHOLE });

    await expectStored(client, reply, WHOLE, digest);
    expect(locationOf(reply)).toBe(`/v2/${repo}/blobs/${digest}`);
  });

  test("needs neither a Content-Type nor a Content-Length (oci end-6)", async ({ client, repo }) => {
    const digest = digestOf(WHOLE);
    const location = await client.startUpload(repo);

    const reply = await client.put(withParameter(location, "digest", digest), { body: CHUNKS });

    await expectStored(client, reply, WHOLE, digest);
  });

  test.for(["", "{}"])("may be as small as %j (oci 5)", async (text, { client, repo }) => {
    const digest = digestOf(text);

    const reply = await client.finishUpload(await client.startUpload(repo), digest, { body: text });

    await expectStored(client, reply, Buffer.from(text), digest);
  });

  test("is taken again when it is there already, after its digest was checked again (oci end-6)", async ({
    client,
    repo,
  }) => {
    const digest = await client.pushBlob(repo, WHOLE);

    const again = await client.finishUpload(await client.startUpload(repo), digest, { body: WHOLE });
    const wrong = await client.finishUpload(await client.startUpload(repo), digest, { body: CHUNKS[0] });

    await expectStored(client, again, WHOLE, digest);
    expect(refusalOf(wrong)).toEqual({ status: 400, codes: ["DIGEST_INVALID"] });
    expect((await client.getBlob(repo, digest)).body).toEqual(WHOLE);
  });

  test("is sha512 when the digest says so, although nobody announced it (oci 14.31)", async ({ client, repo }) => {
    const digest = digestOf(WHOLE, "sha512");

    const reply = await client.finishUpload(await client.startUpload(repo), digest, { body: WHOLE });

    await expectStored(client, reply, WHOLE, digest);
  });
});

describe("a blob in chunks", () => {
  test("streams in one PATCH without length and range; the answer tells what arrived, without a unit (oci 14.22)", async ({
    client,
    repo,
  }) => {
    const location = await client.startUpload(repo);

    const reply = await client.patch(location, { body: CHUNKS });

    expect(reply.status).toBe(202);
    expect(headersOf(reply, "range", "content-length")).toEqual({ range: "0-3066", "content-length": "0" });
    const digest = digestOf(WHOLE);
    await expectStored(client, await client.finishUpload(locationOf(reply), digest), WHOLE, digest);
  });

  test("arrives by ranges and is closed by an empty PUT (oci 14.23)", async ({ client, repo }) => {
    let location = await client.startUpload(repo);
    const ranges: unknown[] = [];
    let start = 0;

    for (const chunk of CHUNKS) {
      const reply = await client.sendChunk(location, start, chunk);
      ranges.push(reply.headers["range"]);
      location = locationOf(reply);
      start += chunk.length;
    }

    expect(ranges).toEqual(["0-1023", "0-2047", "0-3066"]);
    const digest = digestOf(WHOLE);
    await expectStored(client, await client.finishUpload(location, digest), WHOLE, digest);
  });

  test("may bring its last chunk with the PUT (oci end-6)", async ({ client, repo }) => {
    const [first, second] = CHUNKS;
    const location = locationOf(await client.sendChunk(await client.startUpload(repo), 0, first));
    const digest = digestOf(Buffer.concat([first, second]));

    const reply = await client.finishUpload(location, digest, {
      headers: { "Content-Range": "1024-2047" },
      body: second,
    });

    await expectStored(client, reply, Buffer.concat([first, second]), digest);
  });

  test("is 416 when its first chunk is not the first, and goes on with the right one (oci 14.25)", async ({
    client,
    repo,
  }) => {
    const [first, second] = CHUNKS;
    const location = await client.startUpload(repo);

    const early = await client.sendChunk(location, 1024, second);

    expect(refusalOf(early)).toEqual({ status: 416, codes: ["BLOB_UPLOAD_INVALID"] });
    expect(detailOf(early)).toEqual({ offset: 0 });
    expect(headersOf(early, "location", "range")).toEqual({ location: expect.any(String), range: "0-0" });
    expect(await progressOf(client, location)).toBe("0-0");
    await client.sendChunk(location, 0, first);
    const last = await client.sendChunk(location, 1024, second);
    const whole = Buffer.concat([first, second]);
    await expectStored(client, await client.finishUpload(locationOf(last), digestOf(whole)), whole, digestOf(whole));
  });

  test("is 416 when a chunk comes again at an earlier Location, which still tells the truth (oci 14.26)", async ({
    client,
    repo,
  }) => {
    const [first] = CHUNKS;
    const location = await client.startUpload(repo);
    await client.sendChunk(location, 0, first);

    const again = await client.sendChunk(location, 0, first);

    expect(refusalOf(again)).toEqual({ status: 416, codes: ["BLOB_UPLOAD_INVALID"] });
    expect(again.headers["range"]).toBe("0-1023");
    expect(await progressOf(client, location)).toBe("0-1023");
  });

  test("is 416 when the last chunk is out of order: its bytes are not taken and the upload goes on (oci end-6)", async ({
    client,
    repo,
  }) => {
    const [first, second] = CHUNKS;
    const location = locationOf(await client.sendChunk(await client.startUpload(repo), 0, first));
    const whole = Buffer.concat([first, second]);

    const gap = await client.finishUpload(location, digestOf(whole), {
      headers: { "Content-Range": "2048-3071" },
      body: second,
    });

    expect(refusalOf(gap)).toEqual({ status: 416, codes: ["BLOB_UPLOAD_INVALID"] });
    expect(await progressOf(client, location)).toBe("0-1023");
    const last = await client.finishUpload(location, digestOf(whole), {
      headers: { "Content-Range": "1024-2047" },
      body: second,
    });
    await expectStored(client, last, whole, digestOf(whole));
  });

  test.for(["0-1000", "0-2000", "0-9/*", "5-2", "x-y", "0-99999999999999999999", "-5", "0-", ""])(
    "with a Content-Range of %j for 1024 bytes is never a server's fault and leaves the offset (oci 14.28, reliability 5.1.4)",
    async (range, { client, repo }) => {
      const [first] = CHUNKS;
      const location = await client.startUpload(repo);

      const reply = await client.patch(location, { headers: { "Content-Range": range }, body: first });

      expect([400, 416]).toContain(reply.status);
      expect(await progressOf(client, location)).toBe("0-0");
    },
  );

  test("stays whole when its client vanishes in the middle of one: the offset is that of whole chunks (oci end-5)", async ({
    client,
    node,
    repo,
  }) => {
    const [first, second] = [CHUNKS[0], noise(1_000_000, "cut off")];
    const location = locationOf(await client.sendChunk(await client.startUpload(repo), 0, first));
    const storedBefore = await node.storedBytes();

    const connection = await RawConnection.open(node.port);
    await connection.write(requestHead("PATCH", location, ["Content-Length: 1000000", "Content-Range: 1024-1001023"]));
    await connection.write(second.subarray(0, 800_000));
    await expect.poll(async () => await node.storedBytes()).toBeGreaterThan(storedBefore + 400_000);
    connection.destroy();

    expect(await progressOf(client, location)).toBe("0-1023");
    const last = await client.sendChunk(location, 1024, second);
    const whole = Buffer.concat([first, second]);
    await expectStored(client, await client.finishUpload(locationOf(last), digestOf(whole)), whole, digestOf(whole));
  });

  test("is hashed as sha512 when the client announces it (oci 14.32)", async ({ client, repo }) => {
    let location = await client.startUpload(repo, "?digest-algorithm=sha512");
    location = locationOf(await client.sendChunk(location, 0, CHUNKS[0]));
    location = locationOf(await client.sendChunk(location, 1024, CHUNKS[1]));
    location = locationOf(await client.sendChunk(location, 2048, CHUNKS[2]));
    const digest = digestOf(WHOLE, "sha512");

    await expectStored(client, await client.finishUpload(location, digest), WHOLE, digest);
  });

  test.for(["md5", "blake3", "SHA256", "sha-256"])(
    "is not begun with %s, which nobody here can verify (oci 14.32)",
    async (algorithm, { client, repo }) => {
      const reply = await client.post(`/v2/${repo}/blobs/uploads/?digest-algorithm=${algorithm}`);

      expect(refusalOf(reply)).toEqual({ status: 400, codes: ["DIGEST_INVALID"] });
    },
  );

  test("keeps its place when a client reorders the parameters of the Location and adds its own (oci 14.38)", async ({
    client,
    repo,
  }) => {
    const location = new URL(await client.startUpload(repo), "http://registry.example");
    location.searchParams.append("ns", "docker.io");
    location.searchParams.append("digest", digestOf(WHOLE));
    location.searchParams.append("account", "a b");
    location.searchParams.sort();

    const reply = await client.put(`${location.pathname}${location.search}`, { body: WHOLE });

    await expectStored(client, reply, WHOLE, digestOf(WHOLE));
  });
});

describe("a wrong digest", () => {
  type Way = (client: RegistryClient, repo: string) => Promise<Reply>;
  const WAYS: Readonly<Record<string, Way>> = {
    "one POST": async (client, repo) =>
      await client.post(`/v2/${repo}/blobs/uploads/?digest=${WRONG_DIGEST}`, { body: WHOLE }),
    "POST and PUT": async (client, repo) =>
      await client.finishUpload(await client.startUpload(repo), WRONG_DIGEST, { body: WHOLE }),
    "a chunk and an empty PUT": async (client, repo) => {
      const sent = await client.sendChunk(await client.startUpload(repo), 0, WHOLE);
      return await client.finishUpload(locationOf(sent), WRONG_DIGEST);
    },
    "a chunk in the PUT": async (client, repo) => {
      const sent = await client.sendChunk(await client.startUpload(repo), 0, CHUNKS[0]);
      const headers = { "Content-Range": "1024-2047" };
      return await client.finishUpload(locationOf(sent), WRONG_DIGEST, { headers, body: CHUNKS[1] });
    },
    "a stream": async (client, repo) => {
      const sent = await client.patch(await client.startUpload(repo), { body: CHUNKS });
      return await client.finishUpload(locationOf(sent), WRONG_DIGEST);
    },
  };

  test.for(Object.keys(WAYS))("after %s is 400, and nothing is kept (oci 14.29)", async (way, { client, repo }) => {
    const reply = await WAYS[way]?.(client, repo);

    expect(reply && refusalOf(reply)).toEqual({ status: 400, codes: ["DIGEST_INVALID"] });
    expect((await client.head(`/v2/${repo}/blobs/${WRONG_DIGEST}`)).status).toBe(404);
    expect((await client.head(`/v2/${repo}/blobs/${digestOf(WHOLE)}`)).status).toBe(404);
  });

  test("leaves the upload as it was, to be finished under the right one (oci end-6)", async ({ client, repo }) => {
    const location = locationOf(await client.sendChunk(await client.startUpload(repo), 0, CHUNKS[0]));

    await client.finishUpload(location, WRONG_DIGEST);

    const digest = digestOf(CHUNKS[0]);
    await expectStored(client, await client.finishUpload(location, digest), CHUNKS[0], digest);
  });

  test.for(["", "sha256:zz", `md5:${"a".repeat(32)}`, `sha256:${"A".repeat(64)}`, "sha256-abc"])(
    "that is none (%j) is 400 DIGEST_INVALID (oci end-6)",
    async (digest, { client, repo }) => {
      const reply = await client.finishUpload(await client.startUpload(repo), digest, { body: WHOLE });

      expect(refusalOf(reply)).toEqual({ status: 400, codes: ["DIGEST_INVALID"] });
    },
  );

  test("cannot be left out, nor be given twice (oci end-6)", async ({ client, repo }) => {
    const location = await client.startUpload(repo);
    const twice = withParameter(withParameter(location, "digest", digestOf(WHOLE)), "digest", WRONG_DIGEST);

    expect(refusalOf(await client.put(location, { body: WHOLE }))).toEqual({ status: 400, codes: ["DIGEST_INVALID"] });
    expect(refusalOf(await client.put(twice, { body: WHOLE }))).toEqual({ status: 400, codes: ["DIGEST_INVALID"] });
  });
});

describe("an upload session", () => {
  test("tells its progress by GET: 204 with Location and Range (oci end-13)", async ({ client, repo }) => {
    const location = locationOf(await client.sendChunk(await client.startUpload(repo), 0, CHUNKS[0]));

    const reply = await client.get(location);

    expect(reply.status).toBe(204);
    expect(headersOf(reply, "range", "location", "content-length")).toEqual({
      range: "0-1023",
      location: expect.stringMatching(new RegExp(`^/v2/${repo}/blobs/uploads/`)),
      "content-length": undefined,
    });
  });

  test("can be cancelled; it is then unknown (oci end-14)", async ({ client, repo }) => {
    const location = locationOf(await client.sendChunk(await client.startUpload(repo), 0, CHUNKS[0]));

    const cancelled = await client.delete(location);

    expect(cancelled.status).toBe(204);
    const unknown = { status: 404, codes: ["BLOB_UPLOAD_UNKNOWN"] };
    expect(refusalOf(await client.get(location))).toEqual(unknown);
    expect(refusalOf(await client.delete(location))).toEqual(unknown);
    expect(refusalOf(await client.sendChunk(location, 1024, CHUNKS[1]))).toEqual(unknown);
    expect(refusalOf(await client.finishUpload(location, digestOf(CHUNKS[0])))).toEqual(unknown);
  });

  test.for(["GET", "PATCH", "PUT", "DELETE"])(
    "of one repository is unknown in another: %s is 404 (oci 14.40)",
    async (method, { client, repo }) => {
      const location = await client.startUpload(repo);
      const elsewhere = location.replace(`/v2/${repo}/`, `/v2/${repo}-other/`);

      const reply = await client.send(
        method,
        method === "PUT" ? withParameter(elsewhere, "digest", digestOf("")) : elsewhere,
      );

      expect(refusalOf(reply)).toEqual({ status: 404, codes: ["BLOB_UPLOAD_UNKNOWN"] });
      expect(await progressOf(client, location)).toBe("0-0");
    },
  );

  test.for(["nothing", "..%2f..%2fetc", `${"0".repeat(32)}.eu-1`, "0".repeat(500), "%00"])(
    "that nobody began, named %s, is a client's mistake (reliability 5.1.4)",
    async (id, { client, repo }) => {
      const reply = await client.get(`/v2/${repo}/blobs/uploads/${id}`);

      expect([400, 404]).toContain(reply.status);
      expect(reply.headers["content-type"]).toBe("application/json");
    },
  );

  test("that two PUTs race to finish has one winner; the blob is whole (oci 14.34)", async ({ client, repo }) => {
    const bytes = noise(300_000, "raced for");
    const digest = digestOf(bytes);
    const location = await client.startUpload(repo);

    const replies = await Promise.all([
      client.finishUpload(location, digest, { body: bytes }),
      client.finishUpload(location, digest, { body: bytes }),
    ]);

    expect([
      { 201: 1, 404: 1 },
      { 201: 1, 416: 1 },
    ]).toContainEqual(tally(replies));
    expect((await client.getBlob(repo, digest)).body).toEqual(bytes);
  });

  test("whose bytes a PATCH races to change while they are committed keeps what it acknowledged (reliability 5.1.1)", async ({
    client,
    repo,
  }) => {
    for (let round = 0; round < 20; round += 1) {
      const bytes = noise(2_517, `acknowledged ${round}`);
      const digest = digestOf(bytes);
      const location = locationOf(await client.patch(await client.startUpload(repo), { body: bytes }));

      const [finished, raced, cancelled] = await Promise.all([
        client.finishUpload(location, digest),
        client.patch(location, { body: noise(2_617, `raced ${round}`) }),
        round % 2 === 0 ? client.delete(location) : undefined,
      ]);

      const served = await client.getBlob(repo, digest);
      if (finished.status === 201) {
        expect(served.body).toEqual(bytes);
        expect([404, 416]).toContain(raced.status);
      } else {
        expect([400, 404, 416]).toContain(finished.status);
        expect(served.status).toBe(404);
      }
      expect([undefined, 204, 404]).toContain(cancelled?.status);
    }
  });

  test("is one of many for one digest: all are 201 and the blob is one (oci 14.35)", async ({ client, repo }) => {
    const bytes = noise(200_000, "uploaded by everybody");
    const digest = digestOf(bytes);

    const replies = await Promise.all(
      Array.from(
        { length: 4 },
        async () => await client.finishUpload(await client.startUpload(repo), digest, { body: bytes }),
      ),
    );

    expect(tally(replies)).toEqual({ 201: 4 });
    expect((await client.getBlob(repo, digest)).body).toEqual(bytes);
  });
});

describe("a client that waits to be invited", () => {
  test("hears 100 Continue and then 202 (oci 14.43, 11.2.7)", async ({ client, node, repo }) => {
    const location = await client.startUpload(repo);
    using connection = await RawConnection.open(node.port);

    await connection.write(requestHead("PATCH", location, ["Content-Length: 5", "Expect: 100-continue"]));
    const invited = await connection.reply("PATCH");
    await connection.write("hello");
    const taken = await connection.reply("PATCH");

    expect([invited.status, taken.status]).toEqual([100, 202]);
  });

  test("hears a refusal instead of the invitation (oci 14.43)", async ({ node, repo }) => {
    using connection = await RawConnection.open(node.port);
    const length = 64 * 1024 * 1024;

    await connection.write(
      requestHead("PUT", `/v2/${repo}/manifests/latest`, [`Content-Length: ${length}`, "Expect: 100-continue"]),
    );
    const refused = await connection.reply("PUT");

    expect(refused.status).toBe(413);
  });
});

describe("a client that sends everything before it reads", () => {
  test("reads why it was refused: the rest is taken and thrown away, not answered by a reset (oci 14.44, 11.2.8)", async ({
    node,
    repo,
  }) => {
    const bytes = noise(8_000_000, "a large layer");
    using connection = await RawConnection.open(node.port);

    await connection.write(
      requestHead("PATCH", `/v2/${repo}/blobs/uploads/unknown`, [`Content-Length: ${bytes.length}`]),
    );
    await connection.write(bytes);
    const refused = await connection.reply("PATCH");

    expect([refused.status, field(refused, "connection")]).toEqual([404, "close"]);
    expect(refused.body.toString()).toContain("BLOB_UPLOAD_UNKNOWN");
  });
});
