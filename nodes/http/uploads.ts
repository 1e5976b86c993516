/**
 * Uploads over HTTP. A session lies on the node that opened it, and its identifier says which; a request that lands on
 * another node is passed on to it, so that clients behind one name in front of several nodes need no stickiness.
 * Locations are relative and name no node: clients refuse to send credentials, or to go at all, to another host.
 */
import { formatUploadProgress, parseUploadRange, type UploadRange } from "../../shared/byte-range.ts";
import { type Digest, isDigest, parseDigest, parseDigestAlgorithm } from "../../shared/digest.ts";
import { RegistryError } from "../../shared/errors.ts";
import { isRepositoryName, parseRepositoryName, type RepositoryName } from "../../shared/reference.ts";
import type { UploadStatus } from "../storage/uploads.ts";
import { blobLocation } from "./blobs.ts";
import { type Call, type Desk, placeholder } from "./call.ts";
import { expectNoEncoding } from "./content-encoding.ts";
import { forwardUpload, isForwarded } from "./forward-upload.ts";
import { emptyReply, type Headers, type Reply, withHeaders } from "./reply.ts";
import { replyToError } from "./reply-error.ts";

/** Opens a session; or mounts, or takes the whole blob, when the request says so and it can be done. */
export async function postUpload(call: Call, desk: Desk): Promise<Reply> {
  const repo = parseRepositoryName(placeholder(call, "name"));
  const algorithm = call.target.query.first("digest-algorithm");
  if (algorithm !== undefined) parseDigestAlgorithm(algorithm);
  const mounted = await mount(repo, call, desk);
  if (mounted !== undefined) return mounted;
  if (call.target.query.all("digest").length > 0) return await pushWhole(repo, call, desk);

  const status = await desk.operations.uploads.start(repo, call.actor, call.client);
  return emptyReply(202, headersOf(repo, status));
}

export async function patchUpload(call: Call, desk: Desk): Promise<Reply> {
  return await inSession(call, desk, async ({ repo, id, range }) => {
    expectNoEncoding(call);
    const { uploads } = desk.operations;
    const status = await uploads.append({ repo, id, body: call.body.chunks(), range: range(), signal: call.signal });
    return emptyReply(202, headersOf(repo, status));
  });
}

export async function putUpload(call: Call, desk: Desk): Promise<Reply> {
  return await inSession(call, desk, async ({ repo, id, range }) => {
    expectNoEncoding(call);
    const digest = digestParameter(call);
    const request = {
      repo,
      id,
      digest,
      body: call.body.chunks(),
      range: range(),
      actor: call.actor,
      signal: call.signal,
    };
    return created(repo, await desk.operations.uploads.finish(request));
  });
}

export async function getUpload(call: Call, desk: Desk): Promise<Reply> {
  return await inSession(call, desk, async ({ repo, id }) => {
    const status = await desk.operations.uploads.status(repo, id);
    return emptyReply(204, headersOf(repo, status));
  });
}

export async function deleteUpload(call: Call, desk: Desk): Promise<Reply> {
  return await inSession(call, desk, async ({ repo, id }) => {
    await desk.operations.uploads.cancel(repo, id);
    return emptyReply(204);
  });
}

type SessionCall = {
  readonly repo: RepositoryName;
  readonly id: string;
  /** What `Content-Range` says. @throws {RegistryError} `BLOB_UPLOAD_INVALID` when that is no range. */
  readonly range: () => UploadRange | undefined;
};

async function inSession(call: Call, desk: Desk, answer: (session: SessionCall) => Promise<Reply>): Promise<Reply> {
  const repo = parseRepositoryName(placeholder(call, "name"));
  const id = placeholder(call, "id");
  const place = desk.operations.locateUpload.run(id);
  if (place.kind === "elsewhere") {
    if (isForwarded(call)) throw new RegistryError("BLOB_UPLOAD_UNKNOWN");
    return await forwardUpload(call, place, desk);
  }

  try {
    return await answer({ repo, id, range: () => rangeOf(call) });
  } catch (error) {
    if (!(error instanceof RegistryError) || error.status !== 416) throw error;
    // The client is out of step: it learns where the session is, and goes on from there.
    const status = await desk.operations.uploads.status(repo, id);
    return withHeaders(replyToError(error), headersOf(repo, status));
  }
}

function rangeOf({ headers, body }: Call): UploadRange | undefined {
  const header = headers["content-range"];
  if (header === undefined) return undefined;
  const range = parseUploadRange(header);
  const declared = body.declaredBytes;
  if (declared === undefined || declared === range.end - range.start + 1) return range;
  throw new RegistryError(
    "BLOB_UPLOAD_INVALID",
    { contentRange: header, contentLength: declared },
    { message: "Content-Range and Content-Length disagree" },
  );
}

/** A hint that helps or is ignored: no push fails because of a mount that cannot be done. */
async function mount(repo: RepositoryName, { target, actor, signal }: Call, { operations }: Desk) {
  const digest = target.query.first("mount") ?? "";
  const from = target.query.first("from");
  if (!isDigest(digest) || (from !== undefined && !isRepositoryName(from))) return undefined;
  const isMounted = await operations.mountBlob.run({ repo, digest, from, actor }, signal);
  return isMounted ? created(repo, digest) : undefined;
}

async function pushWhole(repo: RepositoryName, call: Call, { operations }: Desk): Promise<Reply> {
  expectNoEncoding(call);
  const digest = digestParameter(call);
  const request = { repo, digest, body: call.body.chunks(), actor: call.actor, client: call.client };
  return created(repo, await operations.pushBlob.run(request, call.signal));
}

/** @throws {RegistryError} `DIGEST_INVALID` unless there is exactly one, of a supported algorithm. */
function digestParameter({ target }: Call): Digest {
  const [digest, ...others] = target.query.all("digest");
  if (digest !== undefined && others.length === 0) return parseDigest(digest);
  const message = digest === undefined ? "the digest parameter is missing" : "more than one digest parameter";
  throw new RegistryError("DIGEST_INVALID", undefined, { message });
}

function created(repo: RepositoryName, digest: Digest): Reply {
  return emptyReply(201, { Location: blobLocation(repo, digest), "Docker-Content-Digest": digest });
}

function headersOf(repo: RepositoryName, { id, offset }: UploadStatus): Headers {
  return {
    Location: `/v2/${repo}/blobs/uploads/${id}`,
    Range: formatUploadProgress(offset),
    "Docker-Upload-UUID": id,
  };
}
