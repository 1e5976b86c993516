import { describe, expect } from "vitest";

import { PAGE_ENTRIES_MAX, REFERRERS_PAGE_BYTES_MAX } from "../../shared/limits.ts";
import { OCI_IMAGE_INDEX } from "../../shared/media-types.ts";
import {
  artifact,
  type Content,
  config,
  descriptorOf,
  digestOf,
  EMPTY,
  EMPTY_TYPE,
  image,
  index,
} from "../support/oci-fixtures.ts";
import {
  headersOf,
  isRecord,
  jsonOf,
  nextPageOf,
  type RegistryClient,
  type Reply,
  refusalOf,
} from "../support/registry-client.ts";
import { test } from "./one-node.ts";

const ZERO_DIGEST = `sha256:${"0".repeat(64)}`;
const SUBJECT = image({ fields: { annotations: { role: "subject" } } });
const SBOM = "application/vnd.example.sbom+json";
const SIGNATURE = "application/vnd.dev.sigstore.bundle.v0.3+json";

function listOf(manifests: readonly unknown[]): unknown {
  return { schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests };
}

/** How a referrer shows in the list of its subject. */
function shownAs(referrer: Content, more: Readonly<Record<string, unknown>>): unknown {
  return { ...descriptorOf(referrer), ...more };
}

/** Digests of the list, in its order. */
function digestsIn(reply: Reply): readonly string[] {
  const document = jsonOf(reply);
  const manifests: unknown = isRecord(document) ? document["manifests"] : undefined;
  if (!Array.isArray(manifests)) throw new Error("not a list of referrers");
  return manifests.map((descriptor: unknown) => (isRecord(descriptor) ? String(descriptor["digest"]) : ""));
}

async function referrersOf(client: RegistryClient, repo: string, digest: string, query = ""): Promise<Reply> {
  return await client.get(`/v2/${repo}/referrers/${digest}${query}`);
}

describe("the referrers of a manifest", () => {
  test("are an empty index where nobody has pushed anything (oci 14.76)", async ({ client }) => {
    const reply = await referrersOf(client, "nobody/made/this", ZERO_DIGEST);

    expect(reply.status).toBe(200);
    expect(jsonOf(reply)).toEqual(listOf([]));
    expect(headersOf(reply, "content-type", "link", "oci-filters-applied", "content-length")).toEqual({
      "content-type": OCI_IMAGE_INDEX,
      link: undefined,
      "oci-filters-applied": undefined,
      "content-length": String(reply.body.length),
    });
  });

  test.for(["sha256:zz", "latest", `md5:${"a".repeat(32)}`, `sha256:${"A".repeat(64)}`])(
    "of %s, which is no digest, are 400 (oci 14.77)",
    async (digest, { client, repo }) => {
      const reply = await referrersOf(client, repo, digest);

      expect(refusalOf(reply)).toEqual({ status: 400, codes: ["DIGEST_INVALID"] });
    },
  );

  test("are told with their type, their annotations and their size (oci end-12a)", async ({ client, repo }) => {
    await client.pushManifest(repo, "app", SUBJECT, [EMPTY]);
    const sbom = artifact(SUBJECT, SBOM, { "org.example.tool": "scanner" });
    await client.pushManifest(repo, sbom.digest, sbom);

    const reply = await referrersOf(client, repo, SUBJECT.digest);

    expect(reply.headers["content-type"]).toBe(OCI_IMAGE_INDEX);
    expect(jsonOf(reply)).toEqual(
      listOf([shownAs(sbom, { artifactType: SBOM, annotations: { "org.example.tool": "scanner" } })]),
    );
  });

  test("are of their config's type when an image names none, and of no type when an index names none (oci end-12a)", async ({
    client,
    repo,
  }) => {
    const settings = config("a referrer");
    await client.pushBlob(repo, settings.bytes);
    const subject = descriptorOf(SUBJECT);
    const plainImage = image({ config: settings, fields: { subject } });
    const plainIndex = index([], { fields: { subject } });
    const typedIndex = index([], { fields: { subject, artifactType: SBOM } });
    for (const referrer of [plainImage, plainIndex, typedIndex]) {
      await client.pushManifest(repo, referrer.digest, referrer);
    }

    const reply = await referrersOf(client, repo, SUBJECT.digest);

    const expected = [
      { digest: plainImage.digest, shown: shownAs(plainImage, { artifactType: settings.mediaType }) },
      { digest: plainIndex.digest, shown: shownAs(plainIndex, {}) },
      { digest: typedIndex.digest, shown: shownAs(typedIndex, { artifactType: SBOM }) },
    ].toSorted((left, right) => (left.digest < right.digest ? -1 : 1));
    expect(jsonOf(reply)).toEqual(listOf(expected.map(({ shown }) => shown)));
  });

  test("may come before their subject (oci end-7a)", async ({ client, repo }) => {
    const early = artifact(SUBJECT, SIGNATURE);
    await client.pushManifest(repo, early.digest, early, [EMPTY]);

    expect((await client.getManifest(repo, SUBJECT.digest)).status).toBe(404);
    expect(digestsIn(await referrersOf(client, repo, SUBJECT.digest))).toEqual([early.digest]);
  });

  test("are those of the same repository (oci end-12a)", async ({ client, repo }) => {
    const referrer = artifact(SUBJECT, SBOM);
    await client.pushManifest(repo, referrer.digest, referrer, [EMPTY]);

    expect(digestsIn(await referrersOf(client, `${repo}-other`, SUBJECT.digest))).toEqual([]);
  });

  test("stand once each, by whatever name and however often they were pushed; deleted ones are gone, those of a deleted subject stay (oci 14.80)", async ({
    client,
    repo,
  }) => {
    await client.pushManifest(repo, "app", SUBJECT, [EMPTY]);
    const referrer = artifact(SUBJECT, SBOM);
    await client.pushManifest(repo, referrer.digest, referrer);
    await client.pushManifest(repo, "by-tag", referrer);
    await client.pushManifest(repo, referrer.digest, referrer);

    const before = digestsIn(await referrersOf(client, repo, SUBJECT.digest));
    await client.delete(`/v2/${repo}/manifests/${SUBJECT.digest}`);
    const orphaned = digestsIn(await referrersOf(client, repo, SUBJECT.digest));
    await client.delete(`/v2/${repo}/manifests/${referrer.digest}`);
    const after = digestsIn(await referrersOf(client, repo, SUBJECT.digest));

    expect({ before, orphaned, after }).toEqual({
      before: [referrer.digest],
      orphaned: [referrer.digest],
      after: [],
    });
  });

  test("are also found by a subject's sha512 digest, which is another subject (oci 6)", async ({ client, repo }) => {
    const long = digestOf(SUBJECT.bytes, "sha512");
    const referrer = artifact({ ...descriptorOf(SUBJECT), digest: long }, SBOM);
    await client.pushManifest(repo, referrer.digest, referrer, [EMPTY]);

    expect(digestsIn(await referrersOf(client, repo, long))).toEqual([referrer.digest]);
    expect(digestsIn(await referrersOf(client, repo, SUBJECT.digest))).toEqual([]);
  });

  test("include what BuildKit attests inside an index (oci 11.2.11)", async ({ client, repo }) => {
    const attestation = artifact(SUBJECT, "application/vnd.docker.attestation.manifest.v1+json");
    await client.pushManifest(repo, SUBJECT.digest, SUBJECT, [EMPTY]);
    await client.pushManifest(repo, attestation.digest, attestation);
    await client.pushManifest(repo, "app", index([SUBJECT, attestation]));

    expect(digestsIn(await referrersOf(client, repo, SUBJECT.digest))).toEqual([attestation.digest]);
  });
});

describe("a filter on referrers", () => {
  test("is applied and told, whether anything matches or not (oci 14.79)", async ({ client, repo }) => {
    const sbom = artifact(SUBJECT, SBOM);
    const signature = artifact(SUBJECT, SIGNATURE);
    await client.pushManifest(repo, sbom.digest, sbom, [EMPTY]);
    await client.pushManifest(repo, signature.digest, signature);

    const hit = await referrersOf(client, repo, SUBJECT.digest, `?artifactType=${encodeURIComponent(SBOM)}`);
    const miss = await referrersOf(client, repo, SUBJECT.digest, "?artifactType=text/plain");
    const plain = await referrersOf(client, repo, SUBJECT.digest, `?artifactType=${SBOM}`);

    expect(digestsIn(hit)).toEqual([sbom.digest]);
    expect(digestsIn(miss)).toEqual([]);
    expect(digestsIn(plain)).toEqual([sbom.digest]);
    expect([hit, miss, plain].map(({ headers }) => headers["oci-filters-applied"])).toEqual([
      "artifactType",
      "artifactType",
      "artifactType",
    ]);
  });

  test("given twice takes either type (oci 14.79)", async ({ client, repo }) => {
    const referrers = [SBOM, SIGNATURE, "text/plain"].map((type) => artifact(SUBJECT, type));
    await client.pushBlob(repo, EMPTY.bytes);
    for (const referrer of referrers) await client.pushManifest(repo, referrer.digest, referrer);

    const reply = await referrersOf(
      client,
      repo,
      SUBJECT.digest,
      `?artifactType=${encodeURIComponent(SBOM)}&artifactType=${encodeURIComponent(SIGNATURE)}`,
    );

    expect(digestsIn(reply).toSorted()).toEqual(
      referrers
        .slice(0, 2)
        .map(({ digest }) => digest)
        .toSorted(),
    );
    expect(reply.headers["oci-filters-applied"]).toBe("artifactType");
  });

  test("of nothing filters nothing (oci end-12b)", async ({ client, repo }) => {
    const sbom = artifact(SUBJECT, SBOM);
    await client.pushManifest(repo, sbom.digest, sbom, [EMPTY]);

    const reply = await referrersOf(client, repo, SUBJECT.digest, "?artifactType=");

    expect(digestsIn(reply)).toEqual([sbom.digest]);
    expect(reply.headers["oci-filters-applied"]).toBeUndefined();
  });
});

describe("many referrers", () => {
  test("come in pages that stay below what clients read, and no page is lost (oci 14.83)", async ({ client, repo }) => {
    const note = "n".repeat(900_000);
    const referrers = Array.from({ length: 10 }, (_, at) => artifact(SUBJECT, SBOM, { note: `${note}${at}` }));
    await client.pushBlob(repo, EMPTY.bytes);
    for (const referrer of referrers) await client.pushManifest(repo, referrer.digest, referrer);

    const pages: Reply[] = [];
    for (
      let next: string | undefined = `/v2/${repo}/referrers/${SUBJECT.digest}?artifactType=${encodeURIComponent(SBOM)}`;
      next !== undefined;
    ) {
      const page: Reply = await client.get(next);
      pages.push(page);
      next = pages.length < 20 ? nextPageOf(page) : undefined;
    }

    expect(pages.flatMap(digestsIn)).toEqual(referrers.map(({ digest }) => digest).toSorted());
    expect(pages.length).toBeGreaterThan(1);
    expect(Math.max(...pages.map(({ body }) => body.length))).toBeLessThanOrEqual(REFERRERS_PAGE_BYTES_MAX);
    expect(new Set(pages.map(({ headers }) => headers["oci-filters-applied"]))).toEqual(new Set(["artifactType"]));
  });

  test("stand in one page while they fit, because some clients read no second one (oci end-12a)", async ({
    client,
    repo,
  }) => {
    const referrers = Array.from({ length: PAGE_ENTRIES_MAX + 1 }, (_, at) =>
      artifact(SUBJECT, SBOM, { number: String(at) }),
    );
    await client.pushBlob(repo, EMPTY.bytes);
    await Promise.all(referrers.map(async (referrer) => await client.pushManifest(repo, referrer.digest, referrer)));

    const reply = await referrersOf(client, repo, SUBJECT.digest);

    expect(digestsIn(reply)).toEqual(referrers.map(({ digest }) => digest).toSorted());
    expect(reply.headers["link"]).toBeUndefined();
  });

  test("come in smaller pages when the client asks for them, as oras does (oci end-12a)", async ({ client, repo }) => {
    const referrers = Array.from({ length: 3 }, (_, at) => artifact(SUBJECT, SBOM, { number: String(at) }));
    await client.pushBlob(repo, EMPTY.bytes);
    for (const referrer of referrers) await client.pushManifest(repo, referrer.digest, referrer);

    const first = await referrersOf(client, repo, SUBJECT.digest, "?n=2");
    const second = await client.get(nextPageOf(first) ?? "");

    expect([...digestsIn(first), ...digestsIn(second)]).toEqual(referrers.map(({ digest }) => digest).toSorted());
    expect(nextPageOf(second)).toBeUndefined();
  });
});

describe("the fallback tag of referrers", () => {
  test("is a tag like any other: 404 while nobody has pushed it, not the manifest whose digest it spells (oci 14.82)", async ({
    client,
    repo,
  }) => {
    await client.pushManifest(repo, "app", SUBJECT, [EMPTY]);
    const fallback = SUBJECT.digest.replace(":", "-");

    expect(refusalOf(await client.getManifest(repo, fallback))).toEqual({ status: 404, codes: ["MANIFEST_UNKNOWN"] });
    await client.pushManifest(repo, fallback, index([]));
    expect((await client.getManifest(repo, fallback)).body).toEqual(index([]).bytes);
  });
});

test("the empty config of an artifact is a blob like any other: pushed, pulled, deleted (oci 5)", async ({
  client,
  repo,
}) => {
  await client.pushBlob(repo, EMPTY.bytes);

  expect(EMPTY.mediaType).toBe(EMPTY_TYPE);
  expect((await client.getBlob(repo, EMPTY.digest)).body.toString()).toBe("{}");
  expect((await client.delete(`/v2/${repo}/blobs/${EMPTY.digest}`)).status).toBe(202);
  expect((await client.getBlob(repo, EMPTY.digest)).status).toBe(404);
});
