import { parseDigest } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { MANIFEST_BYTES_MAX, TAG_PARAMETERS_MAX } from "../../shared/limits.ts";
import {
  isTag,
  parseReference,
  parseRepositoryName,
  parseTag,
  type Reference,
  type RepositoryName,
  type Tag,
} from "../../shared/reference.ts";
import type { PulledManifest } from "../registry/pull-manifest.ts";
import { type Call, type Desk, type PlainRead, placeholder } from "./call.ts";
import { expectNoEncoding } from "./content-encoding.ts";
import {
  entityTagOf,
  judgeRead,
  parseEntityTags,
  preconditionFailed,
  strongDigestsOf,
  weakDigestsOf,
} from "./entity-tag.ts";
import { stalenessHeaders, versionHeader } from "./meridian-headers.ts";
import { bytesReply, emptyReply, type Reply } from "./reply.ts";

/** Serves the bytes and the type as they were pushed, whatever `Accept` says: what a digest names has one form. */
export async function getManifest(call: Call, { operations }: Desk): Promise<Reply> {
  const repo = parseRepositoryName(placeholder(call, "name"));
  const reference = referenceToRead(placeholder(call, "reference"));
  return replyWith(await operations.pullManifest.run(repo, reference), call, operations.clusterView);
}

export function manifestAtHand(read: PlainRead, { operations }: Desk): Reply | undefined {
  const repo = parseRepositoryName(placeholder(read, "name"));
  const reference = referenceToRead(placeholder(read, "reference"));
  const pulled = operations.pullManifest.atHand(repo, reference);
  return pulled === undefined ? undefined : replyWith(pulled, read, operations.clusterView);
}

function replyWith(
  { digest, mediaType, bytes, token }: PulledManifest,
  { headers }: PlainRead,
  view: Pick<Desk["operations"]["clusterView"], "stalenessMs">,
): Reply {
  // What a digest names never changes, so it cannot be old.
  const age = token === undefined ? {} : stalenessHeaders(view.stalenessMs());
  const validators = { "Docker-Content-Digest": digest, ETag: entityTagOf(digest), ...versionHeader(token), ...age };
  switch (judgeRead(headers, digest)) {
    case "failed":
      throw preconditionFailed(digest);
    case "not-modified":
      return emptyReply(304, validators);
    case "proceed":
      return bytesReply(200, { ...validators, "Content-Type": mediaType }, bytes);
  }
}

export async function putManifest(call: Call, { operations }: Desk): Promise<Reply> {
  const repo = parseRepositoryName(placeholder(call, "name"));
  const reference = parseReference(placeholder(call, "reference"));
  const tags = reference.kind === "digest" ? tagParameters(call) : [];
  const precondition = preconditionOf(call);
  expectNoEncoding(call);

  const { digest, subject, token } = await operations.pushManifest.run(
    {
      repo,
      reference,
      tags,
      contentType: call.headers["content-type"],
      bytes: await call.body.read(MANIFEST_BYTES_MAX),
      precondition,
      actor: call.actor,
    },
    call.signal,
  );
  return emptyReply(201, {
    Location: manifestLocation(repo, digest),
    "Docker-Content-Digest": digest,
    ...(subject === undefined ? {} : { "OCI-Subject": subject }),
    ...(tags.length === 0 ? {} : { "OCI-Tag": tags.join(", ") }),
    ...versionHeader(token),
  });
}

export async function deleteManifest(call: Call, { operations }: Desk): Promise<Reply> {
  const repo = parseRepositoryName(placeholder(call, "name"));
  const reference = referenceToRead(placeholder(call, "reference"));
  const token = await operations.deleteManifest.run({ repo, reference, actor: call.actor });
  return emptyReply(202, versionHeader(token));
}

function manifestLocation(repo: RepositoryName, digest: string): string {
  return `/v2/${repo}/manifests/${digest}`;
}

/** What cannot be a tag names no manifest: to a reader that is a miss like any other. */
function referenceToRead(text: string): Reference {
  if (text.includes(":")) return { kind: "digest", digest: parseDigest(text) };
  if (isTag(text)) return { kind: "tag", tag: text };
  throw new RegistryError("MANIFEST_UNKNOWN", { tag: text.slice(0, 160) });
}

function tagParameters({ target }: Call): readonly Tag[] {
  const texts = [...new Set(target.query.all("tag"))];
  if (texts.length <= TAG_PARAMETERS_MAX) return texts.map(parseTag);
  throw new RegistryError(
    "MANIFEST_INVALID",
    { tags: texts.length, tagsMax: TAG_PARAMETERS_MAX },
    { status: 414, message: "too many tags for one push" },
  );
}

function preconditionOf({ headers }: Call): {
  readonly oneOf: "any" | readonly string[] | undefined;
  readonly noneOf: "any" | readonly string[] | undefined;
} {
  const ifMatch = parseEntityTags(headers["if-match"]);
  const ifNoneMatch = parseEntityTags(headers["if-none-match"]);
  return {
    oneOf: ifMatch === undefined ? undefined : strongDigestsOf(ifMatch),
    noneOf: ifNoneMatch === undefined ? undefined : weakDigestsOf(ifNoneMatch),
  };
}
