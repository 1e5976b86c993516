import { createHash } from "node:crypto";
import { describe, expect } from "vitest";

import { digestOf, image, layer, noise } from "../support/oci-fixtures.ts";
import { field, RawConnection, requestHead } from "../support/raw-http.ts";
import { headersOf, refusalOf } from "../support/registry-client.ts";
import { test } from "./one-node.ts";

const ABSENT_DIGEST = digestOf("nobody pushed this");
const BLOB = noise(2048, "the blob of every range");
const MIB = 1024 * 1024;

describe("a blob that is there", () => {
  test("comes with its digest, its length and its validator, and as bytes that no browser runs (oci end-2)", async ({
    client,
    repo,
  }) => {
    const digest = await client.pushBlob(repo, BLOB);

    const reply = await client.getBlob(repo, digest);

    expect(reply.status).toBe(200);
    expect(reply.body).toEqual(BLOB);
    expect(
      headersOf(
        reply,
        "content-type",
        "content-length",
        "docker-content-digest",
        "etag",
        "accept-ranges",
        "cache-control",
        "meridian-source",
      ),
    ).toEqual({
      "content-type": "application/octet-stream",
      "content-length": "2048",
      "docker-content-digest": digest,
      etag: `"${digest}"`,
      "accept-ranges": "bytes",
      "cache-control": expect.stringMatching(/max-age=31536000/),
      "meridian-source": "local",
    });
  });

  test("answers HEAD with the headers of GET and no body (oci 14.11)", async ({ client, repo }) => {
    const digest = await client.pushBlob(repo, BLOB);
    const path = `/v2/${repo}/blobs/${digest}`;

    const got = await client.get(path);
    const head = await client.head(path);

    expect(head.status).toBe(200);
    expect(head.body).toEqual(Buffer.alloc(0));
    const told = ["content-type", "content-length", "docker-content-digest", "etag", "accept-ranges"] as const;
    expect(headersOf(head, ...told)).toEqual(headersOf(got, ...told));
  });

  test("is not compressed on the way, so that its length and its ranges stay true (oci 14.17)", async ({
    client,
    repo,
  }) => {
    const text = "a line that would compress well\n".repeat(1_000);
    const digest = await client.pushBlob(repo, text);

    const reply = await client.getBlob(repo, digest, { "Accept-Encoding": "gzip, zstd" });

    expect(reply.body.toString()).toBe(text);
    expect(headersOf(reply, "content-encoding", "content-length")).toEqual({
      "content-encoding": undefined,
      "content-length": String(text.length),
    });
  });

  test("may be empty", async ({ client, repo }) => {
    const digest = await client.pushBlob(repo, "");

    const reply = await client.getBlob(repo, digest);

    expect(reply.status).toBe(200);
    expect(reply.body).toEqual(Buffer.alloc(0));
    expect(reply.headers["content-length"]).toBe("0");
  });

  test.for(["quoted", "bare", "weak", "list", "any"] as const)(
    "is not sent again to a client whose validator matches (%s): 304 (oci end-2)",
    async (form, { client, repo }) => {
      const digest = await client.pushBlob(repo, BLOB);
      const spelled = {
        quoted: `"${digest}"`,
        bare: digest,
        weak: `W/"${digest}"`,
        list: `"${ABSENT_DIGEST}", "${digest}"`,
        any: "*",
      };

      const reply = await client.getBlob(repo, digest, { "If-None-Match": spelled[form] });

      expect(reply.status).toBe(304);
      expect(reply.body).toEqual(Buffer.alloc(0));
      expect(headersOf(reply, "content-length", "etag")).toEqual({
        "content-length": undefined,
        etag: `"${digest}"`,
      });
    },
  );

  test("is sent again to a client whose validator is another", async ({ client, repo }) => {
    const digest = await client.pushBlob(repo, BLOB);

    const reply = await client.getBlob(repo, digest, { "If-None-Match": `"${ABSENT_DIGEST}"` });

    expect(reply.status).toBe(200);
    expect(reply.body).toEqual(BLOB);
  });
});

describe("a blob that is not there", () => {
  test("is 404 BLOB_UNKNOWN, also in a repository that nobody has made (oci end-2)", async ({ client, repo }) => {
    await client.pushBlob(repo, BLOB);

    expect(refusalOf(await client.getBlob(repo, ABSENT_DIGEST))).toEqual({ status: 404, codes: ["BLOB_UNKNOWN"] });
    expect(refusalOf(await client.getBlob("nobody/made/this", ABSENT_DIGEST))).toEqual({
      status: 404,
      codes: ["BLOB_UNKNOWN"],
    });
  });

  test("answers HEAD with 404 and no body (oci 14.11)", async ({ client, repo }) => {
    const reply = await client.head(`/v2/${repo}/blobs/${ABSENT_DIGEST}`);

    expect(reply.status).toBe(404);
    expect(reply.body).toEqual(Buffer.alloc(0));
  });

  test("stays 404 in another repository, after a HEAD, a GET and a mount from nowhere (reliability 5.1.2)", async ({
    client,
    repo,
  }) => {
    const digest = await client.pushBlob(repo, noise(300, "belongs to one repository"));
    const other = `${repo}-other`;

    const head = await client.head(`/v2/${other}/blobs/${digest}`);
    const mount = await client.post(`/v2/${other}/blobs/uploads/?mount=${digest}&from=nobody/made/this`);
    const got = await client.getBlob(other, digest);

    expect([head.status, mount.status, got.status]).toEqual([404, 202, 404]);
  });

  test.for([
    "sha256:XYZ",
    `sha256:${"A".repeat(64)}`,
    `sha256:${"a".repeat(63)}`,
    `sha256:${"a".repeat(65)}`,
    "sha512:abcd",
    "sha256:",
    ":abcd",
  ])("is 400 DIGEST_INVALID when %s is no digest at all (oci 14.19)", async (digest, { client, repo }) => {
    expect(refusalOf(await client.getBlob(repo, digest))).toEqual({ status: 400, codes: ["DIGEST_INVALID"] });
    expect((await client.head(`/v2/${repo}/blobs/${digest}`)).status).toBe(400);
  });

  test.for(["blake3", "md5", "sha384", "multihash+base58"])(
    "is refused as a client's mistake when nobody here can verify %s (reliability 5.1.4)",
    async (algorithm, { client, repo }) => {
      const reply = await client.getBlob(repo, `${algorithm}:${"a".repeat(64)}`);

      expect(refusalOf(reply)).toEqual({ status: 400, codes: ["DIGEST_INVALID"] });
    },
  );
});

describe("a range of a blob", () => {
  test.for([
    ["bytes=500-1499", 500, 1499],
    ["bytes=500-", 500, 2047],
    ["bytes=-500", 1548, 2047],
    ["bytes=2000-5000", 2000, 2047],
    ["bytes=0-0", 0, 0],
    ["bytes=-5000", 0, 2047],
  ] as const)(
    "%s of 2048 bytes is 206 with exactly these (oci 14.13)",
    async ([range, first, last], { client, repo }) => {
      const digest = await client.pushBlob(repo, BLOB);

      const reply = await client.getBlob(repo, digest, { Range: range });

      expect(reply.status).toBe(206);
      expect(reply.body).toEqual(BLOB.subarray(first, last + 1));
      expect(
        headersOf(reply, "content-range", "content-length", "docker-content-digest", "content-type", "accept-ranges"),
      ).toEqual({
        "content-range": `bytes ${first}-${last}/2048`,
        "content-length": String(last + 1 - first),
        "docker-content-digest": digest,
        "content-type": "application/octet-stream",
        "accept-ranges": "bytes",
      });
    },
  );

  test.for(["bytes=500-0", "bytes=0-9,500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0"])(
    "%s of 2048 bytes is 416, and says how many there are (oci 14.14)",
    async (range, { client, repo }) => {
      const digest = await client.pushBlob(repo, BLOB);

      const reply = await client.getBlob(repo, digest, { Range: range });

      expect(reply.status).toBe(416);
      expect(reply.headers["content-range"]).toBe("bytes */2048");
    },
  );

  test.for(["items=0-1", "garbage", "bytes=", "bytes=a-b", "bytes 0-1", "bytes=--5"])(
    "that nobody understands, as %s, is ignored (oci 14.16)",
    async (range, { client, repo }) => {
      const digest = await client.pushBlob(repo, BLOB);

      const reply = await client.getBlob(repo, digest, { Range: range });

      expect(reply.status).toBe(200);
      expect(reply.body).toEqual(BLOB);
    },
  );

  test("of several parts comes as multipart/byteranges, in order and exact (oci end-2)", async ({ client, repo }) => {
    const digest = await client.pushBlob(repo, BLOB);

    const reply = await client.getBlob(repo, digest, { Range: "bytes=0-9,50-59,2040-5000" });

    expect(reply.status).toBe(206);
    const boundary = /^multipart\/byteranges; boundary="?([^"]+)"?$/.exec(reply.headers["content-type"] ?? "")?.[1];
    const part = (first: number, last: number): string =>
      [
        `--${boundary}`,
        "Content-Type: application/octet-stream",
        `Content-Range: bytes ${first}-${last}/2048`,
        "",
        BLOB.subarray(first, last + 1).toString("latin1"),
        "",
      ].join("\r\n");
    const expected = `${part(0, 9)}${part(50, 59)}${part(2040, 2047)}--${boundary}--\r\n`;
    expect(reply.body.toString("latin1")).toBe(expected);
    expect(reply.headers["content-length"]).toBe(String(expected.length));
  });

  test("of more parts than a server need cut is answered whole (oci end-2)", async ({ client, repo }) => {
    const digest = await client.pushBlob(repo, BLOB);
    const ranges = Array.from({ length: 200 }, (_, at) => `${at * 2}-${at * 2}`).join(",");

    const reply = await client.getBlob(repo, digest, { Range: `bytes=${ranges}` });

    expect(reply.status).toBe(200);
    expect(reply.body).toEqual(BLOB);
  });

  test("counts only while the bytes are those the client knows: If-Range (oci end-2)", async ({ client, repo }) => {
    const digest = await client.pushBlob(repo, BLOB);
    const ranged = async (ifRange: string): Promise<number> =>
      (await client.getBlob(repo, digest, { Range: "bytes=0-9", "If-Range": ifRange })).status;

    expect(await ranged(`"${digest}"`)).toBe(206);
    expect(await ranged(`"${ABSENT_DIGEST}"`)).toBe(200);
  });

  test("leaves the connection in step when it is refused (reliability 5.1.5)", async ({ client, node, repo }) => {
    const digest = await client.pushBlob(repo, BLOB);
    using connection = await RawConnection.open(node.port);

    await connection.write(requestHead("GET", `/v2/${repo}/blobs/${digest}`, ["Range: bytes=5000-10000"]));
    await connection.write(requestHead("GET", `/v2/${repo}/blobs/${digest}`, ["Range: bytes=0-3"]));
    const refused = await connection.reply();
    const served = await connection.reply();

    expect(refused.status).toBe(416);
    expect(field(refused, "content-length")).toBe(String(refused.body.length));
    expect(served.status).toBe(206);
    expect(served.body).toEqual(BLOB.subarray(0, 4));
  });

  test("lets a download that broke off be finished: both halves hash to the digest (oci 14.20)", async ({
    client,
    node,
    repo,
  }) => {
    const bytes = noise(24 * MIB, "a large layer");
    const digest = await client.pushBlob(repo, bytes);
    const path = `/v2/${repo}/blobs/${digest}`;
    const hash = createHash("sha256");

    const connection = await RawConnection.open(node.port);
    await connection.write(requestHead("GET", path));
    const first = await connection.bodyStart(9 * MIB + 12_345);
    connection.destroy();
    hash.update(first);
    const rest = await client.get(path, { Range: `bytes=${first.length}-` });
    hash.update(rest.body);

    expect(rest.status).toBe(206);
    expect(rest.headers["content-range"]).toBe(`bytes ${first.length}-${bytes.length - 1}/${bytes.length}`);
    expect(`sha256:${hash.digest("hex")}`).toBe(digest);
  });
});

describe("a blob under two algorithms", () => {
  test("is two contents with one set of bytes, each with its own digest in the answer (oci 6)", async ({
    client,
    repo,
  }) => {
    const short = await client.pushBlob(repo, BLOB, "sha256");
    const long = await client.pushBlob(repo, BLOB, "sha512");

    const byShort = await client.getBlob(repo, short);
    const byLong = await client.getBlob(repo, long);

    expect(byLong.body).toEqual(byShort.body);
    expect(byShort.headers["docker-content-digest"]).toBe(short);
    expect(byLong.headers["docker-content-digest"]).toBe(long);
  });

  test("is not there under the one under which nobody pushed it", async ({ client, repo }) => {
    const bytes = noise(100, "pushed by its long name only");
    await client.pushBlob(repo, bytes, "sha512");

    const reply = await client.getBlob(repo, digestOf(bytes, "sha256"));

    expect(refusalOf(reply)).toEqual({ status: 404, codes: ["BLOB_UNKNOWN"] });
  });
});

test("a layer's digest is no manifest: asking for it as one is 404 (reliability 5.1.4)", async ({ client, repo }) => {
  const part = layer("not a manifest");
  await client.pushManifest(repo, "latest", image({ config: part, layers: [part] }), [part]);

  expect(refusalOf(await client.getManifest(repo, part.digest))).toEqual({
    status: 404,
    codes: ["MANIFEST_UNKNOWN"],
  });
});
