import { parseDigest } from "../../shared/digest.ts";
import { PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX } from "../../shared/limits.ts";
import { OCI_IMAGE_INDEX } from "../../shared/media-types.ts";
import { parseRepositoryName } from "../../shared/reference.ts";
import { type Call, type Desk, placeholder } from "./call.ts";
import { linkToNext, parsePage } from "./page.ts";
import { type Headers, jsonReply, type Reply } from "./reply.ts";

/** `GET /v2/`: that the specification is implemented, by the status alone. */
export function base(): Reply {
  return jsonReply(200, {});
}

/** Without `n` a page is as long as one may be: many clients look no further than the first. */
export async function getTags(call: Call, { operations }: Desk): Promise<Reply> {
  const repo = parseRepositoryName(placeholder(call, "name"));
  const page = parsePage(call.target.query, PAGE_ENTRIES_MAX);
  const { entries, hasMore } = await operations.listTags.run(repo, page);
  const path = `/v2/${repo}/tags/list`;
  return jsonReply(
    200,
    { name: repo, tags: entries },
    linkAfter(path, page.limit, hasMore ? entries.at(-1) : undefined),
  );
}

export async function getCatalog(call: Call, { operations }: Desk): Promise<Reply> {
  const page = parsePage(call.target.query, PAGE_ENTRIES_DEFAULT);
  const { entries, hasMore } = await operations.listRepositories.run(page);
  const link = linkAfter("/v2/_catalog", page.limit, hasMore ? entries.at(-1) : undefined);
  return jsonReply(200, { repositories: entries }, link);
}

/**
 * Several `artifactType` parameters ask for any of them, as containerd means it. Without `n` the bytes alone end a page,
 * because containerd and go-containerregistry read no second one.
 */
export async function getReferrers(call: Call, { operations }: Desk): Promise<Reply> {
  const repo = parseRepositoryName(placeholder(call, "name"));
  const subject = parseDigest(placeholder(call, "digest"));
  const { query } = call.target;
  const artifactTypes = query.all("artifactType").filter((type) => type !== "");
  const { limit, after } = parsePage(query, undefined);
  const { entries, hasMore } = await operations.listReferrers.run({ repo, subject, artifactTypes, after, limit });

  const last = hasMore ? entries.at(-1)?.digest : undefined;
  const filters = artifactTypes.map((type) => ["artifactType", type] as const);
  const headers = {
    ...(artifactTypes.length > 0 ? { "OCI-Filters-Applied": "artifactType" } : {}),
    ...linkAfter(`/v2/${repo}/referrers/${subject}`, limit, last, filters),
  };
  const index = { schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests: entries };
  return jsonReply(200, index, headers, OCI_IMAGE_INDEX);
}

/** Which extensions of the API there are. Source: distribution-spec, extensions/_oci.md. */
export function discover(): Reply {
  return jsonReply(200, {
    extensions: [
      {
        name: "_oci",
        description: "Discovery of extensions",
        url: "https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md",
        endpoints: ["_oci/ext/discover"],
      },
    ],
  });
}

function linkAfter(
  path: string,
  limit: number | undefined,
  last: string | undefined,
  extra: readonly (readonly [string, string])[] = [],
): Headers {
  return last === undefined ? {} : { Link: linkToNext(path, { limit, last }, extra) };
}
