import { describe, expect } from "vitest";

import {
  ERRORS_TOLD_MAX,
  MANIFEST_BYTES_MAX,
  MANIFEST_DESCRIPTORS_MAX,
  REQUEST_TARGET_LENGTH_MAX,
} from "../../shared/limits.ts";
import { OCI_IMAGE_MANIFEST } from "../../shared/media-types.ts";
import {
  type Content,
  content,
  type DescriptorFields,
  descriptorOf,
  digestOf,
  EMPTY,
  image,
  index,
  layer,
  noise,
} from "../support/oci-fixtures.ts";
import { field, RawConnection, requestHead } from "../support/raw-http.ts";
import { detailOf, errorsOf, locationOf, refusalOf, tally } from "../support/registry-client.ts";
import { test } from "./one-node.ts";

/** An error document is for a person. */
const ERROR_BYTES_MAX = 16 * 1024;
/** What others may wait while one client asks for much. */
const OTHERS_WAIT_MS_MAX = 1_000;

/** Descriptors of what nobody has, short enough for 30,000 of them to fit into a manifest. */
function absentParts(count: number): readonly DescriptorFields[] {
  return Array.from({ length: count }, (_, at) => ({ mediaType: "a/b", digest: digestOf(`absent ${at}`), size: at }));
}

/** A manifest of exactly `size` bytes, most of which are an annotation. */
function manifestOfSize(size: number): Content {
  const padded = (length: number): Content => image({ fields: { annotations: { padding: "p".repeat(length) } } });
  return padded(size - padded(0).bytes.length);
}

describe("a manifest", () => {
  test("of 4 MiB is taken and given back (oci 2)", async ({ client, repo }) => {
    const largest = manifestOfSize(MANIFEST_BYTES_MAX);

    const reply = await client.pushManifest(repo, "v1", largest, [EMPTY]);

    expect(largest.bytes.length).toBe(MANIFEST_BYTES_MAX);
    expect(reply.headers["docker-content-digest"]).toBe(largest.digest);
    expect(digestOf((await client.getManifest(repo, "v1")).body)).toBe(largest.digest);
  });

  test.for(["announced", "chunked"] as const)(
    "of one byte more is 413 SIZE_INVALID, also when its length is not told first: %s (oci 2)",
    async (form, { client, repo }) => {
      const { bytes, mediaType } = manifestOfSize(MANIFEST_BYTES_MAX + 1);

      const reply = await client.put(`/v2/${repo}/manifests/v1`, {
        headers: { "Content-Type": mediaType },
        body: form === "announced" ? bytes : [bytes.subarray(0, 1_000_000), bytes.subarray(1_000_000)],
      });

      expect(refusalOf(reply)).toEqual({ status: 413, codes: ["SIZE_INVALID"] });
      expect(detailOf(reply)).toMatchObject({ bytesMax: MANIFEST_BYTES_MAX });
    },
  );

  test("that never ends is refused as soon as it is too large (reliability D-02)", async ({ node, repo }) => {
    using connection = await RawConnection.open(node.port);
    const chunk = Buffer.alloc(MANIFEST_BYTES_MAX + 1, "x");

    await connection.write(requestHead("PUT", `/v2/${repo}/manifests/v1`, ["Transfer-Encoding: chunked"]));
    await connection.write(`${chunk.length.toString(16)}\r\n`);
    await connection.write(chunk);
    const reply = await connection.reply("PUT");

    expect(reply.status).toBe(413);
    expect(await connection.rest()).toEqual(Buffer.alloc(0));
  });

  test("nested deeper than any reader should follow is refused, not a server's fault", async ({ client, repo }) => {
    const deep = `{"schemaVersion":2,"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;

    const reply = await client.putManifest(repo, "v1", content(deep, OCI_IMAGE_MANIFEST));

    expect(refusalOf(reply)).toEqual({ status: 400, codes: ["MANIFEST_INVALID"] });
  });

  test.for([
    ["200,000 null layers", `[${Array.from({ length: 200_000 }, () => "null").join(",")}]`],
    ["100,000 empty layers", `[${Array.from({ length: 100_000 }, () => "{}").join(",")}]`],
  ] as const)("of %s is refused at once, in a few words (reliability 5.1.6)", async ([, layers], { client, repo }) => {
    const document = `{"schemaVersion":2,"config":${JSON.stringify(descriptorOf(EMPTY))},"layers":${layers}}`;
    const startedMs = performance.now();

    const reply = await client.putManifest(repo, "v1", content(document, OCI_IMAGE_MANIFEST));

    expect(refusalOf(reply)).toEqual({ status: 400, codes: ["MANIFEST_INVALID"] });
    expect(reply.body.length).toBeLessThan(ERROR_BYTES_MAX);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });

  test("that names thousands of absent layers is told of the first few (reliability 5.1.6)", async ({
    client,
    repo,
  }) => {
    const absent = absentParts(MANIFEST_DESCRIPTORS_MAX - 1);
    await client.pushBlob(repo, EMPTY.bytes);

    const reply = await client.putManifest(repo, "v1", image({ layers: absent }));

    expect(reply.status).toBe(400);
    expect(errorsOf(reply)).toEqual(
      absent.slice(0, ERRORS_TOLD_MAX).map((part) => ({ code: "MANIFEST_BLOB_UNKNOWN", detail: part })),
    );
    expect(reply.body.length).toBeLessThan(ERROR_BYTES_MAX);
  });

  test("of 30,000 layers, or of as many as are allowed, does not stall the reads of others (reliability 5.1.7)", async ({
    client,
    repo,
  }) => {
    const crowds = [30_000, MANIFEST_DESCRIPTORS_MAX - 1].map((count) => image({ layers: absentParts(count) }));
    await client.pushManifest(`${repo}/other`, "v1", image({}), [EMPTY]);
    await client.pushBlob(repo, EMPTY.bytes);

    const pushed = new AbortController();
    const pushing = Promise.all(crowds.map(async (crowd) => await client.putManifest(repo, "v1", crowd))).finally(() =>
      pushed.abort(),
    );
    let longestMs = 0;
    do {
      const startedMs = performance.now();
      const reply = await client.getManifest(`${repo}/other`, "v1");
      longestMs = Math.max(longestMs, performance.now() - startedMs);
      expect(reply.status).toBe(200);
    } while (!pushed.signal.aborted);

    expect(tally(await pushing)).toEqual({ 400: 2 });

    expect(longestMs).toBeLessThan(OTHERS_WAIT_MS_MAX);
  });

  test("may be an index of indexes, refused no sooner than at the depth where readers stop", async ({
    client,
    repo,
  }) => {
    let nested = index([]);
    await client.pushManifest(repo, nested.digest, nested);
    for (let depth = 1; depth < 4; depth += 1) {
      nested = index([nested]);
      await client.pushManifest(repo, nested.digest, nested);
    }

    expect((await client.getManifest(repo, nested.digest)).body).toEqual(nested.bytes);
  });
});

describe("a request", () => {
  test("whose target is longer than 8 KiB is 414 in JSON (oci 2)", async ({ client }) => {
    const reply = await client.get(`/v2/?x=${"y".repeat(REQUEST_TARGET_LENGTH_MAX)}`);

    expect(reply.status).toBe(414);
    expect(reply.headers["content-type"]).toBe("application/json");
  });

  test("with more than 16 KiB of headers is 431 (oci 2)", async ({ client }) => {
    const reply = await client.get("/v2/", { "X-Long": "y".repeat(20 * 1024) });

    expect(reply.status).toBe(431);
  });

  test.for([
    ["two hosts", ["Host: elsewhere"]],
    ["two lengths", ["Content-Length: 4", "Content-Length: 5"]],
    ["a length and chunks", ["Content-Length: 4", "Transfer-Encoding: chunked"]],
    ["an odd transfer", ["Transfer-Encoding: chunked, identity"]],
    ["a length that is none", ["Content-Length: -1"]],
    ["a folded header", ["X-A: b", " c"]],
  ] as const)(
    "that could be read in two ways is refused and its connection closed: %s (reliability D-07)",
    async ([, headers], { node, repo }) => {
      using connection = await RawConnection.open(node.port);

      await connection.write(requestHead("PUT", `/v2/${repo}/manifests/v1`, headers));
      const reply = await connection.reply("PUT");
      const rest = await connection.rest();

      expect(reply.status).toBe(400);
      expect(rest).toEqual(Buffer.alloc(0));
    },
  );

  test.for(["PATCH", "PUT", "POST", "manifest"] as const)(
    "whose body claims to be compressed on its way is 415: digests are of the bytes that are sent (%s; reliability D-04)",
    async (way, { client, repo }) => {
      const options = { headers: { "Content-Encoding": "gzip" }, body: EMPTY.bytes };
      const location = await client.startUpload(repo);
      const replies = {
        PATCH: async () => await client.patch(location, options),
        PUT: async () => await client.finishUpload(location, EMPTY.digest, options),
        POST: async () => await client.post(`/v2/${repo}/blobs/uploads/?digest=${EMPTY.digest}`, options),
        manifest: async () => await client.put(`/v2/${repo}/manifests/v1`, options),
      };

      const reply = await replies[way]();

      expect(refusalOf(reply)).toEqual({ status: 415, codes: ["UNSUPPORTED"] });
      expect((await client.get(location)).headers["range"]).toBe("0-0");
    },
  );

  test("with broken chunks is a client's mistake, and nothing of it is kept (reliability 5.1.4)", async ({
    client,
    node,
    repo,
  }) => {
    const location = await client.startUpload(repo);
    using connection = await RawConnection.open(node.port);

    await connection.write(requestHead("PATCH", location, ["Transfer-Encoding: chunked"]));
    await connection.write("5\r\nhello\r\nZZ\r\n");
    const answer = (await connection.rest()).toString("latin1");

    expect(answer).toMatch(/^(?:HTTP\/1\.1 4\d\d )?/);
    expect(answer).not.toMatch(/^HTTP\/1\.1 5/);
    expect((await client.get(location)).headers["range"]).toBe("0-0");
  });

  test("whose client leaves in the middle of a manifest leaves nothing behind (reliability 5.1.4)", async ({
    client,
    node,
    repo,
  }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const { bytes, mediaType } = image({});

    const connection = await RawConnection.open(node.port);
    await connection.write(
      requestHead("PUT", `/v2/${repo}/manifests/v1`, [`Content-Type: ${mediaType}`, `Content-Length: ${bytes.length}`]),
    );
    await connection.write(bytes.subarray(0, 50));
    connection.destroy();

    expect((await client.getManifest(repo, "v1")).status).toBe(404);
    expect((await client.get("/v2/")).status).toBe(200);
  });

  test("with a body where none belongs is answered, and the next on its connection as well", async ({ node, repo }) => {
    using connection = await RawConnection.open(node.port);

    await connection.write(requestHead("GET", `/v2/${repo}/tags/list`, ["Content-Length: 5"]));
    await connection.write("hello");
    const first = await connection.reply();

    expect(first.status).toBe(404);
    expect(field(first, "content-length")).toBe(String(first.body.length));
  });

  test("is a client's mistake or a success, never a server's fault, whatever races with it (reliability 5.1.4)", async ({
    client,
    repo,
  }) => {
    const part = layer("raced for");
    const pushed = image({ config: part, layers: [part] });
    const statuses = new Set<number>();
    const run = async (act: () => Promise<{ readonly status: number }>): Promise<void> => {
      for (let round = 0; round < 15; round += 1) statuses.add((await act()).status);
    };

    await Promise.all([
      run(async () => await client.post(`/v2/${repo}/blobs/uploads/?digest=${part.digest}`, { body: part.bytes })),
      run(async () => await client.delete(`/v2/${repo}/blobs/${part.digest}`)),
      run(async () => await client.putManifest(repo, "v1", pushed)),
      run(async () => await client.putManifest(repo, pushed.digest, pushed)),
      run(async () => await client.delete(`/v2/${repo}/manifests/v1`)),
      run(async () => await client.delete(`/v2/${repo}/manifests/${pushed.digest}`)),
      run(async () => await client.getManifest(repo, "v1")),
      run(async () => await client.getBlob(repo, part.digest)),
      run(async () => await client.get(`/v2/${repo}/tags/list`)),
      run(async () => {
        const location = await client.startUpload(repo);
        await Promise.all([client.patch(location, { body: part.bytes }), client.delete(location)]);
        return await client.finishUpload(location, part.digest);
      }),
    ]);

    expect([...statuses].filter((status) => ![200, 201, 202, 204, 400, 404, 416].includes(status))).toEqual([]);
  });
});

describe("an answer of several megabytes", () => {
  test("is whole for a reader who takes his time, and costs others nothing", async ({ client, node, repo }) => {
    const bytes = noise(8_000_000, "read slowly");
    const digest = await client.pushBlob(repo, bytes);
    using slow = await RawConnection.open(node.port);
    await slow.write(requestHead("GET", `/v2/${repo}/blobs/${digest}`));

    const others = await Promise.all(Array.from({ length: 4 }, async () => await client.getBlob(repo, digest)));
    const reply = await slow.reply();

    expect(others.map(({ body }) => digestOf(body))).toEqual([digest, digest, digest, digest]);
    expect(digestOf(reply.body)).toBe(digest);
  });
});

test("an upload knows no size that is too large for a session of many small requests", async ({ client, repo }) => {
  const bytes = noise(64_000, "in many pieces");
  let location = await client.startUpload(repo);

  for (let at = 0; at < bytes.length; at += 1_000) {
    location = locationOf(await client.sendChunk(location, at, bytes.subarray(at, at + 1_000)));
  }

  expect((await client.finishUpload(location, digestOf(bytes))).status).toBe(201);
  expect((await client.getBlob(repo, digestOf(bytes))).body).toEqual(bytes);
});
