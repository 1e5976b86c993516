import { describe, expect } from "vitest";

import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_IMAGE_INDEX,
  OCI_IMAGE_MANIFEST,
} from "../../shared/media-types.ts";
import {
  artifact,
  type Content,
  config,
  content,
  descriptorOf,
  digestOf,
  dockerImage,
  dockerList,
  EMPTY,
  image,
  index,
  layer,
  manifest,
} from "../support/oci-fixtures.ts";
import { field, RawConnection, requestHead } from "../support/raw-http.ts";
import {
  detailOf,
  errorsOf,
  headersOf,
  jsonOf,
  locationOf,
  type RegistryClient,
  refusalOf,
  tally,
} from "../support/registry-client.ts";
import { test } from "./one-node.ts";

const ABSENT_DIGEST = digestOf("nobody pushed this");

/** Pushes `pushed` by tag and expects it back by tag and by digest, byte for byte and of its type. */
async function expectRoundTrip(client: RegistryClient, repo: string, pushed: Content): Promise<void> {
  const reply = await client.putManifest(repo, "latest", pushed);
  expect(reply.status).toBe(201);
  for (const reference of ["latest", pushed.digest]) {
    const got = await client.getManifest(repo, reference);
    expect(got.body).toEqual(pushed.bytes);
    expect(headersOf(got, "content-type", "docker-content-digest")).toEqual({
      "content-type": pushed.mediaType,
      "docker-content-digest": pushed.digest,
    });
  }
}

describe("pushing a manifest", () => {
  test("by tag tells where it is and its digest, and gives back every byte as it came (oci 14.52)", async ({
    client,
    repo,
  }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const odd = `\n{ "schemaVersion":2,\r\n\t"mediaType" : "${OCI_IMAGE_MANIFEST}", "layers":[ ],
      "config":${JSON.stringify({ ...descriptorOf(EMPTY), "x-more": 1.0 })}, "unknown":[null,{"a":1.50}], "a":1,"a":2}  \n`;
    const pushed = content(odd, OCI_IMAGE_MANIFEST);

    const reply = await client.putManifest(repo, "v1", pushed);

    expect(reply.status).toBe(201);
    expect(headersOf(reply, "docker-content-digest", "content-length", "location")).toEqual({
      "docker-content-digest": pushed.digest,
      "content-length": "0",
      location: expect.stringMatching(new RegExp(`^/v2/${repo}/manifests/`)),
    });
    const got = await client.get(locationOf(reply));
    expect(got.body).toEqual(pushed.bytes);
  });

  test("that begins with a byte order mark is hashed and given back with it (oci 5)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);

    await expectRoundTrip(client, repo, content(`\ufeff${image({}).bytes.toString()}`, OCI_IMAGE_MANIFEST));
  });

  test("tells which nodes hold the change by a token (Meridian-Version)", async ({ client, repo }) => {
    const reply = await client.pushManifest(repo, "v1", image({}), [EMPTY]);

    expect(reply.headers["meridian-version"]).toMatch(/^\S+$/);
  });

  test("under another digest than its own is 400 DIGEST_INVALID (oci 14.53)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const named = image({});
    const spaced = content(`${named.bytes.toString()}  `, named.mediaType);

    const reply = await client.putManifest(repo, named.digest, spaced);

    expect(refusalOf(reply)).toEqual({ status: 400, codes: ["DIGEST_INVALID"] });
    expect((await client.getManifest(repo, named.digest)).status).toBe(404);
    expect((await client.getManifest(repo, spaced.digest)).status).toBe(404);
  });

  test.for(["sha256:baddigeststring", "sha256:", `md5:${"a".repeat(32)}`, `sha256:${"A".repeat(64)}`])(
    "under %s, which is no digest, is 400, and so is asking for it (oci 14.53)",
    async (digest, { client, repo }) => {
      await client.pushBlob(repo, EMPTY.bytes);

      expect(refusalOf(await client.putManifest(repo, digest, image({})))).toEqual({
        status: 400,
        codes: ["DIGEST_INVALID"],
      });
      expect([400, 404]).toContain((await client.getManifest(repo, digest)).status);
    },
  );

  test("may be repeated (oci end-7a)", async ({ client, repo }) => {
    await client.pushManifest(repo, "v1", image({}), [EMPTY]);

    const again = await client.putManifest(repo, "v1", image({}));

    expect(again.status).toBe(201);
    expect(again.headers["docker-content-digest"]).toBe(image({}).digest);
  });

  test("without a length, in chunks of any size, is taken like any other (oci end-7a)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const { bytes, mediaType } = image({});

    const reply = await client.put(`/v2/${repo}/manifests/v1`, {
      headers: { "Content-Type": mediaType },
      body: [bytes.subarray(0, 1), bytes.subarray(1, 50), bytes.subarray(50)],
    });

    expect(reply.status).toBe(201);
    expect((await client.getManifest(repo, "v1")).body).toEqual(bytes);
  });

  test("moves its tag; the older manifest stays to be had by digest (reliability 5.1.3)", async ({ client, repo }) => {
    const older = image({ fields: { annotations: { age: "older" } } });
    const newer = image({ fields: { annotations: { age: "newer" } } });
    await client.pushManifest(repo, "latest", older, [EMPTY]);

    await client.pushManifest(repo, "latest", newer);

    expect((await client.getManifest(repo, "latest")).body).toEqual(newer.bytes);
    expect((await client.getManifest(repo, older.digest)).body).toEqual(older.bytes);
  });

  test("that names what is not there says so once for each part (oci end-7a)", async ({ client, repo }) => {
    const absent = [config("absent"), layer("absent one"), layer("absent two")] as const;
    const [settings, ...layers] = absent;

    const reply = await client.putManifest(repo, "v1", image({ config: settings, layers }));

    expect(reply.status).toBe(400);
    expect(errorsOf(reply)).toEqual(
      absent.map((part) => ({ code: "MANIFEST_BLOB_UNKNOWN", detail: descriptorOf(part) })),
    );
    expect((await client.getManifest(repo, "v1")).status).toBe(404);
  });

  test("that names a blob of another repository is refused like one that names nothing (reliability 5.1.2)", async ({
    client,
    repo,
  }) => {
    const part = layer("elsewhere");
    await client.pushBlob(`${repo}-other`, part.bytes);

    const reply = await client.putManifest(repo, "v1", image({ config: part }));

    expect(refusalOf(reply)).toEqual({ status: 400, codes: ["MANIFEST_BLOB_UNKNOWN"] });
  });

  test("that is an index needs its children (oci end-7a)", async ({ client, repo }) => {
    const child = image({});

    const early = await client.putManifest(repo, "v1", index([child]));
    await client.pushManifest(repo, child.digest, child, [EMPTY]);
    const late = await client.putManifest(repo, "v1", index([child]));

    expect(refusalOf(early)).toEqual({ status: 400, codes: ["MANIFEST_BLOB_UNKNOWN"] });
    expect(late.status).toBe(201);
  });
});

describe("the type of a manifest", () => {
  test("must be the one that the document names (oci 14.55)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);

    const reply = await client.put(`/v2/${repo}/manifests/v1`, {
      headers: { "Content-Type": DOCKER_MANIFEST },
      body: image({}).bytes,
    });

    expect(refusalOf(reply)).toEqual({ status: 400, codes: ["MANIFEST_INVALID"] });
    expect(detailOf(reply)).toMatchObject({ at: "mediaType" });
  });

  test("may stand in the header alone, or in the document alone (oci 14.56)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const unnamed = manifest({ schemaVersion: 2, config: descriptorOf(EMPTY), layers: [] }, OCI_IMAGE_MANIFEST);
    const named = image({});

    const byHeader = await client.putManifest(repo, "by-header", unnamed);
    const byDocument = await client.put(`/v2/${repo}/manifests/by-document`, { body: named.bytes });

    expect([byHeader.status, byDocument.status]).toEqual([201, 201]);
    expect((await client.getManifest(repo, "by-header")).headers["content-type"]).toBe(OCI_IMAGE_MANIFEST);
    expect((await client.getManifest(repo, "by-document")).headers["content-type"]).toBe(OCI_IMAGE_MANIFEST);
  });

  test("is served without the parameters with which it came (oci 3)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);

    await client.put(`/v2/${repo}/manifests/v1`, {
      headers: { "Content-Type": `${OCI_IMAGE_MANIFEST}; charset=utf-8` },
      body: image({}).bytes,
    });

    expect((await client.getManifest(repo, "v1")).headers["content-type"]).toBe(OCI_IMAGE_MANIFEST);
  });

  test("may be one that nobody has heard of, as long as it is JSON (oci 5)", async ({ client, repo }) => {
    await expectRoundTrip(client, repo, manifest({ anything: [1, 2] }, "application/vnd.example.thing.v7+json"));
    await expectRoundTrip(client, repo, manifest({ blobs: [] }, "application/vnd.oci.artifact.manifest.v1+json"));
  });

  test("may be Docker's: schema 2 and lists come back byte for byte (oci 14.62)", async ({ client, repo }) => {
    const parts = [config("docker"), layer("docker")] as const;
    const single = dockerImage({ config: parts[0], layers: [parts[1]] });
    for (const part of parts) await client.pushBlob(repo, part.bytes);

    await expectRoundTrip(client, repo, single);
    await expectRoundTrip(client, repo, dockerList([single]));
    expect([single.mediaType, dockerList([]).mediaType]).toEqual([DOCKER_MANIFEST, DOCKER_MANIFEST_LIST]);
  });

  test.for([
    ["application/vnd.docker.distribution.manifest.v1+json", { schemaVersion: 1, name: "a", tag: "b", fsLayers: [] }],
    ["application/vnd.docker.distribution.manifest.v1+prettyjws", { schemaVersion: 1, fsLayers: [], signatures: [] }],
    [OCI_IMAGE_MANIFEST, { schemaVersion: 1, config: descriptorOf(EMPTY), layers: [] }],
    [OCI_IMAGE_MANIFEST, { config: descriptorOf(EMPTY), layers: [] }],
    [OCI_IMAGE_MANIFEST, { schemaVersion: "2", config: descriptorOf(EMPTY), layers: [] }],
    [OCI_IMAGE_MANIFEST, { schemaVersion: 3, config: descriptorOf(EMPTY), layers: [] }],
  ] as const)(
    "cannot be the first schema or an unknown one: %s %j (oci 14.62, reliability 5.1.4)",
    async ([mediaType, document], { client, repo }) => {
      await client.pushBlob(repo, EMPTY.bytes);

      const reply = await client.putManifest(repo, "v1", manifest(document, mediaType));

      expect(refusalOf(reply)).toEqual({ status: 400, codes: ["MANIFEST_INVALID"] });
    },
  );

  test("cannot be two at once: a document that is an image to some and an index to others is refused (reliability A-11)", async ({
    client,
    repo,
  }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const both = { schemaVersion: 2, config: descriptorOf(EMPTY), layers: [], manifests: [] };

    for (const mediaType of [OCI_IMAGE_MANIFEST, OCI_IMAGE_INDEX, "application/json"]) {
      const reply = await client.putManifest(repo, "v1", manifest(both, mediaType));
      expect(refusalOf(reply)).toEqual({ status: 400, codes: ["MANIFEST_INVALID"] });
    }
  });
});

describe("a manifest that the image specification allows", () => {
  test("has no layers, no children, or an index among its children (oci 14.58)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);

    await expectRoundTrip(client, repo, image({ layers: [] }));
    await expectRoundTrip(client, repo, index([]));
    await expectRoundTrip(client, repo, index([index([]), image({ layers: [] })]));
  });

  test("names layers that their licence keeps elsewhere, which nobody has pushed (oci 14.59)", async ({
    client,
    repo,
  }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const absent = { digest: ABSENT_DIGEST, size: 12 };

    await expectRoundTrip(
      client,
      repo,
      image({
        layers: [
          { ...absent, mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" },
          { ...absent, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" },
          { ...absent, mediaType: "text/plain", urls: ["https://elsewhere.example/layer"] },
        ],
      }),
    );
  });

  test("is a build cache: an index whose entries are layers and a config, not manifests (oci 14.61)", async ({
    client,
    repo,
  }) => {
    const cacheConfig = content('{"layers":[]}', "application/vnd.buildkit.cacheconfig.v0");
    const cached = layer("a cached step");
    for (const part of [cacheConfig, cached]) await client.pushBlob(repo, part.bytes);

    await expectRoundTrip(client, repo, index([cached, cacheConfig]));
  });

  test("is a Helm chart, a signature, or whatever its types say (oci 11.2.12)", async ({ client, repo }) => {
    const chart = content("a chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip");
    const about = content('{"name":"app","version":"1.0+7"}', "application/vnd.cncf.helm.config.v1+json");
    for (const part of [chart, about]) await client.pushBlob(repo, part.bytes);

    await expectRoundTrip(client, repo, image({ config: about, layers: [chart] }));
  });

  test("holds data of its own, fields of its own, and digests of algorithms that nobody here can verify (oci 6)", async ({
    client,
    repo,
  }) => {
    await client.pushBlob(repo, EMPTY.bytes);

    await expectRoundTrip(
      client,
      repo,
      image({
        config: { ...descriptorOf(EMPTY), data: "e30=" },
        layers: [
          {
            mediaType: "text/plain",
            digest: "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
            size: 4,
          },
        ],
        fields: { "org.example.more": { deep: [1] }, annotations: { "org.example": "ü" } },
      }),
    );
  });

  test("is about a subject, which need not exist; the answer names it (oci end-7a)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const subject = { mediaType: OCI_IMAGE_MANIFEST, digest: ABSENT_DIGEST, size: 77 };

    const ofImage = await client.putManifest(repo, "image", artifact(subject, "application/vnd.example.sbom"));
    const ofIndex = await client.putManifest(repo, "index", index([], { fields: { subject } }));
    const ofNone = await client.putManifest(repo, "none", image({}));

    expect([ofImage, ofIndex, ofNone].map(({ status, headers }) => [status, headers["oci-subject"]])).toEqual([
      [201, ABSENT_DIGEST],
      [201, ABSENT_DIGEST],
      [201, undefined],
    ]);
  });
});

describe("a manifest that is none", () => {
  test.for([
    "blablabla",
    "",
    "{",
    "[]",
    "null",
    '"text"',
    "{}",
    '{"schemaVersion":2}',
    '{"schemaVersion":2,"layers":[]}',
    '{"schemaVersion":2,"config":null,"layers":[]}',
    '{"schemaVersion":2,"config":{},"layers":[]}',
    `{"schemaVersion":2,"config":${JSON.stringify(descriptorOf(EMPTY))},"layers":{}}`,
    `{"schemaVersion":2,"config":${JSON.stringify({ ...descriptorOf(EMPTY), size: -1 })},"layers":[]}`,
    `{"schemaVersion":2,"config":${JSON.stringify({ ...descriptorOf(EMPTY), digest: "sha256:zz" })},"layers":[]}`,
    `{"schemaVersion":2,"config":${JSON.stringify({ ...descriptorOf(EMPTY), urls: "x" })},"layers":[]}`,
    `{"schemaVersion":2,"config":${JSON.stringify({ ...descriptorOf(EMPTY), urls: [1] })},"layers":[]}`,
    `{"schemaVersion":2,"config":${JSON.stringify(descriptorOf(EMPTY))},"layers":[null]}`,
    `{"schemaVersion":2,"config":${JSON.stringify(descriptorOf(EMPTY))},"layers":[],"annotations":{"a":1}}`,
    `{"schemaVersion":2,"config":${JSON.stringify(descriptorOf(EMPTY))},"layers":[],"subject":"text"}`,
  ])("is 400 MANIFEST_INVALID in JSON: %s (oci 14.68, reliability 5.1.4)", async (body, { client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);

    const reply = await client.putManifest(repo, "v1", content(body, OCI_IMAGE_MANIFEST));

    expect(refusalOf(reply)).toEqual({ status: 400, codes: ["MANIFEST_INVALID"] });
  });

  test("says in its detail where the document is wrong", async ({ client, repo }) => {
    const broken = image({ layers: [{ mediaType: "text/plain", digest: ABSENT_DIGEST, size: 1.5 }] });

    expect(detailOf(await client.putManifest(repo, "v1", broken))).toMatchObject({ at: "layers[0].size" });
  });
});

describe("tags given with a manifest's digest", () => {
  test("are all set, and named in OCI-Tag (oci 14.64)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const pushed = image({});
    const tags = Array.from({ length: 10 }, (_, at) => `t${at}`);

    const reply = await client.putManifest(
      repo,
      `${pushed.digest}?${tags.map((tag) => `tag=${tag}`).join("&")}`,
      pushed,
    );

    expect(reply.status).toBe(201);
    expect((reply.headers["oci-tag"] ?? "").split(/, ?/).toSorted()).toEqual(tags);
    for (const tag of tags) expect((await client.getManifest(repo, tag)).body).toEqual(pushed.bytes);
  });

  test("are all refused when one is not a tag: 400, and nothing is set (oci 14.64)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const pushed = image({});

    const reply = await client.putManifest(repo, `${pushed.digest}?tag=good&tag=.bad`, pushed);

    expect(refusalOf(reply)).toEqual({ status: 400, codes: ["MANIFEST_INVALID"] });
    expect((await client.getManifest(repo, "good")).status).toBe(404);
    expect((await client.getManifest(repo, pushed.digest)).status).toBe(404);
  });

  test("by the thousand are too many (oci 14.64)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const pushed = image({});
    const tags = Array.from({ length: 2_000 }, (_, at) => `tag=t${at}`).join("&");

    const reply = await client.putManifest(repo, `${pushed.digest}?${tags}`, pushed);

    expect([414, 431]).toContain(reply.status);
  });

  test("name it by the algorithm with which it was pushed, until a push by tag names it by sha256 (oci 14.65)", async ({
    client,
    repo,
  }) => {
    await client.pushBlob(repo, EMPTY.bytes);
    const pushed = image({});
    const long = digestOf(pushed.bytes, "sha512");

    const reply = await client.putManifest(repo, `${long}?tag=t`, pushed);
    const before = await client.getManifest(repo, "t");
    await client.putManifest(repo, "t", pushed);
    const after = await client.getManifest(repo, "t");

    expect(reply.headers["docker-content-digest"]).toBe(long);
    expect(before.headers["docker-content-digest"]).toBe(long);
    expect(after.headers["docker-content-digest"]).toBe(pushed.digest);
    expect((await client.getManifest(repo, long)).headers["docker-content-digest"]).toBe(long);
  });
});

describe("asking for a manifest", () => {
  test("that is not there is 404 MANIFEST_UNKNOWN, by tag and by digest, with and without a repository (oci end-3)", async ({
    client,
    repo,
  }) => {
    await client.pushManifest(repo, "v1", image({}), [EMPTY]);

    for (const [name, reference] of [
      [repo, "v2"],
      [repo, ABSENT_DIGEST],
      ["nobody/made/this", "latest"],
      ["nobody/made/this", ABSENT_DIGEST],
    ] as const) {
      expect(refusalOf(await client.getManifest(name, reference))).toEqual({
        status: 404,
        codes: ["MANIFEST_UNKNOWN"],
      });
    }
  });

  test("says its length, type, digest and validator to HEAD as to GET (oci 14.67, 11.2.13)", async ({
    client,
    repo,
  }) => {
    const pushed = image({});
    await client.pushManifest(repo, "v1", pushed, [EMPTY]);

    const got = await client.getManifest(repo, "v1");
    const head = await client.head(`/v2/${repo}/manifests/v1`);

    const expected = {
      "content-type": pushed.mediaType,
      "content-length": String(pushed.bytes.length),
      "docker-content-digest": pushed.digest,
      etag: `"${pushed.digest}"`,
    };
    const told = ["content-type", "content-length", "docker-content-digest", "etag"] as const;
    expect(headersOf(got, ...told)).toEqual(expected);
    expect(headersOf(head, ...told)).toEqual(expected);
    expect([head.status, head.body.length]).toEqual([200, 0]);
  });

  test.for([
    "application/json",
    "*/*",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    `${OCI_IMAGE_INDEX}, ${DOCKER_MANIFEST}`,
    undefined,
  ])(
    "gives the stored bytes and type whatever the client says it accepts: %s (oci 14.67)",
    async (accept, { client, repo }) => {
      const pushed = image({});
      await client.pushManifest(repo, "v1", pushed, [EMPTY]);
      const headers: Record<string, string> = accept === undefined ? {} : { Accept: accept };

      const head = await client.head(`/v2/${repo}/manifests/v1`, headers);
      const got = await client.get(`/v2/${repo}/manifests/v1`, headers);

      expect([head.status, head.headers["content-type"]]).toEqual([200, OCI_IMAGE_MANIFEST]);
      expect(got.body).toEqual(pushed.bytes);
    },
  );

  test.for(["quoted", "bare", "any"] as const)(
    "that the client has already (%s validator) is 304 without a body (oci 14.67)",
    async (form, { client, repo }) => {
      const pushed = image({});
      await client.pushManifest(repo, "v1", pushed, [EMPTY]);
      const validator = { quoted: `"${pushed.digest}"`, bare: pushed.digest, any: "*" }[form];

      const reply = await client.get(`/v2/${repo}/manifests/v1`, { "If-None-Match": validator });

      expect([reply.status, reply.body.length]).toEqual([304, 0]);
      expect(headersOf(reply, "etag", "content-length", "docker-content-digest")).toEqual({
        etag: `"${pushed.digest}"`,
        "content-length": undefined,
        "docker-content-digest": pushed.digest,
      });
    },
  );
});

describe("moving a tag on a condition", () => {
  const first = image({ fields: { annotations: { number: "first" } } });
  const second = image({ fields: { annotations: { number: "second" } } });

  async function put(client: RegistryClient, repo: string, pushed: Content, headers: Record<string, string>) {
    return await client.put(`/v2/${repo}/manifests/latest`, {
      headers: { "Content-Type": pushed.mediaType, ...headers },
      body: pushed.bytes,
    });
  }

  test("succeeds while it is what the client believes, and is 412 once it is not (oci end-3)", async ({
    client,
    repo,
  }) => {
    await client.pushManifest(repo, "latest", first, [EMPTY]);

    const moved = await put(client, repo, second, { "If-Match": `"${first.digest}"` });
    const late = await put(client, repo, first, { "If-Match": `"${first.digest}"` });

    expect([moved.status, late.status]).toEqual([201, 412]);
    expect((await client.getManifest(repo, "latest")).body).toEqual(second.bytes);
  });

  test("may demand that it is new: If-None-Match: * (oci end-3)", async ({ client, repo }) => {
    await client.pushBlob(repo, EMPTY.bytes);

    const created = await put(client, repo, first, { "If-None-Match": "*" });
    const again = await put(client, repo, second, { "If-None-Match": "*" });

    expect([created.status, again.status]).toEqual([201, 412]);
  });

  test("has one winner among many (oci 12.4)", async ({ client, repo }) => {
    await client.pushManifest(repo, "latest", first, [EMPTY]);
    const rivals = Array.from({ length: 8 }, (_, at) => image({ fields: { annotations: { rival: String(at) } } }));

    const replies = await Promise.all(
      rivals.map(async (rival) => await put(client, repo, rival, { "If-Match": `"${first.digest}"` })),
    );

    expect(tally(replies)).toEqual({ 201: 1, 412: 7 });
  });

  test("leaves the connection in step when it fails: the 412 has the length of its own body (reliability 5.1.5)", async ({
    client,
    node,
    repo,
  }) => {
    await client.pushManifest(repo, "latest", first, [EMPTY]);
    using connection = await RawConnection.open(node.port);

    await connection.write(
      requestHead("PUT", `/v2/${repo}/manifests/latest`, [
        `Content-Type: ${second.mediaType}`,
        `Content-Length: ${second.bytes.length}`,
        `If-Match: "${ABSENT_DIGEST}"`,
      ]),
    );
    await connection.write(second.bytes);
    const refused = await connection.reply("PUT");
    await connection.write(requestHead("GET", `/v2/${repo}/manifests/latest`, [`If-Match: "${ABSENT_DIGEST}"`]));
    const failed = await connection.reply();
    await connection.write(requestHead("GET", `/v2/${repo}/manifests/latest`));
    const served = await connection.reply();

    expect(refused.status).toBe(412);
    expect(JSON.parse(refused.body.toString())).toEqual({ errors: [expect.objectContaining({ code: "DENIED" })] });
    expect([200, 412]).toContain(failed.status);
    expect(field(failed, "content-length")).toBe(String(failed.body.length));
    expect([served.status, served.body]).toEqual([200, first.bytes]);
  });
});

test("what was pushed is there for whoever asks next: by tag, by digest, in the list (oci 9)", async ({
  client,
  repo,
}) => {
  const pushed = image({ layers: [layer("read your own writes")] });
  await client.pushManifest(repo, "v1", pushed, [EMPTY, layer("read your own writes")]);

  const [byTag, byDigest, tags] = await Promise.all([
    client.getManifest(repo, "v1"),
    client.getManifest(repo, pushed.digest),
    client.get(`/v2/${repo}/tags/list`),
  ]);

  expect([byTag.body, byDigest.body]).toEqual([pushed.bytes, pushed.bytes]);
  expect(jsonOf(tags)).toEqual({ name: repo, tags: ["v1"] });
});
