/** The OCI distribution API as a client sees it. Source: distribution-spec 1.1 and its main branch. */
import type { SupportedDescriptor } from "../../../shared/descriptor.ts";
import { algorithmOf, type Digest, digestOf, isDigest } from "../../../shared/digest.ts";
import { isJsonArray, isJsonObject, parseJson } from "../../../shared/json.ts";
import { MANIFEST_BYTES_MAX, MANIFEST_JSON_DEPTH_MAX } from "../../../shared/limits.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_IMAGE_INDEX,
  OCI_IMAGE_MANIFEST,
  OCTET_STREAM,
  withoutParameters,
} from "../../../shared/media-types.ts";
import type { Reference, RepositoryName, Tag } from "../../../shared/reference.ts";
import type { BlobArrival, BlobOffer, ManifestContent } from "../images/image.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import { failureOf } from "./answer-failure.ts";
import type { Answer, HttpExchange, Request } from "./http-exchange.ts";

const ACCEPT = [OCI_IMAGE_INDEX, OCI_IMAGE_MANIFEST, DOCKER_MANIFEST_LIST, DOCKER_MANIFEST, "*/*"].join(", ");
/** Pages of a thousand names of 128 characters. */
const LISTING_BYTES_MAX = 4 * 1024 * 1024;
const PAGE_ENTRIES = 1000;
/** A broken connection costs the blob, not the image. */
const UPLOAD_ATTEMPTS_MAX = 3;

/** What HEAD tells of a manifest. */
export type Resolved = { readonly digest: Digest; readonly mediaType: string; readonly size: number };

export class RegistryClient {
  readonly #base: URL;
  readonly #exchange: HttpExchange;

  /** `base` is scheme, host and port. */
  constructor(base: URL, exchange: HttpExchange) {
    this.#base = base;
    this.#exchange = exchange;
  }

  get host(): string {
    return this.#base.host;
  }

  async resolve(repo: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Resolved> {
    const url = this.#manifestUrl(repo, reference);
    const answer = await this.#expect({ method: "HEAD", url, headers: { accept: ACCEPT } }, [200], signal);
    answer.discard();
    const digest = reference.kind === "digest" ? reference.digest : (answer.header("docker-content-digest") ?? "");
    if (!isDigest(digest)) throw notARegistry(url, "the answer names no digest");
    return { digest, mediaType: mediaTypeOf(answer), size: Number(answer.header("content-length") ?? 0) };
  }

  /** Bytes whose digest has been checked, when there was one to check against. */
  async manifest(repo: RepositoryName, reference: Reference, signal: AbortSignal): Promise<ManifestContent> {
    const url = this.#manifestUrl(repo, reference);
    const answer = await this.#expect({ method: "GET", url, headers: { accept: ACCEPT } }, [200], signal);
    const mediaType = mediaTypeOf(answer);
    const bytes = await answer.bytes(MANIFEST_BYTES_MAX);
    const claimed = reference.kind === "digest" ? reference.digest : answer.header("docker-content-digest");
    const algorithm = claimed !== undefined && isDigest(claimed) ? algorithmOf(claimed) : "sha256";
    const digest = digestOf(bytes, algorithm);
    if (claimed !== undefined && claimed !== digest) throw notARegistry(url, `the manifest's bytes are not ${claimed}`);
    return { digest, mediaType, bytes };
  }

  async putManifest(
    repo: RepositoryName,
    reference: Reference,
    { bytes, mediaType, digest }: ManifestContent,
    signal: AbortSignal,
  ): Promise<void> {
    const url = this.#manifestUrl(repo, reference);
    const headers = { "content-type": mediaType };
    const answer = await this.#expect({ method: "PUT", url, headers, body: { kind: "bytes", bytes } }, [201], signal);
    answer.discard();
    const told = answer.header("docker-content-digest");
    if (told !== undefined && told !== digest) throw notARegistry(url, `the registry made ${told} of ${digest}`);
  }

  async hasBlob(repo: RepositoryName, digest: Digest, signal: AbortSignal): Promise<boolean> {
    const url = this.#url(repo, `blobs/${digest}`);
    const answer = await this.#expect({ method: "HEAD", url }, [200, 404], signal);
    answer.discard();
    return answer.status === 200;
  }

  /** The bytes as they come: unchecked. */
  async *blob(repo: RepositoryName, { digest }: SupportedDescriptor, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const answer = await this.#expect({ method: "GET", url: this.#url(repo, `blobs/${digest}`) }, [200], signal);
    yield* answer.body;
  }

  /** Skips what is there, mounts from `from` what the same registry has elsewhere, sends the rest. */
  async putBlob(
    repo: RepositoryName,
    offer: BlobOffer,
    from: RepositoryName | undefined,
    signal: AbortSignal,
  ): Promise<BlobArrival> {
    const { digest } = offer.descriptor;
    if (await this.hasBlob(repo, digest, signal)) return "already there";
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#upload(repo, offer, from, signal);
      } catch (cause) {
        const isPassing = cause instanceof CliError && cause.exitCode === EXIT.unreachable;
        if (!isPassing || attempt === UPLOAD_ATTEMPTS_MAX || signal.aborted) throw cause;
      }
    }
  }

  /** In the registry's order. */
  async *tags(repo: RepositoryName, signal: AbortSignal): AsyncGenerator<string> {
    let url: URL | undefined = this.#url(repo, `tags/list?n=${PAGE_ENTRIES}`);
    while (url !== undefined) {
      const answer = await this.#expect({ method: "GET", url }, [200], signal);
      const next = nextPage(answer.header("link"), answer.url);
      const document = parseJson(await answer.bytes(LISTING_BYTES_MAX), MANIFEST_JSON_DEPTH_MAX);
      const tags = isJsonObject(document) ? document["tags"] : undefined;
      // Old registries write null for none.
      if (tags !== null && !isJsonArray(tags)) throw notARegistry(url, "the answer lists no tags");
      for (const tag of tags ?? []) yield String(tag);
      url = next;
    }
  }

  /** A tag alone, or a manifest with every tag that names it. */
  async remove(repo: RepositoryName, reference: Reference, signal: AbortSignal): Promise<void> {
    const answer = await this.#expect({ method: "DELETE", url: this.#manifestUrl(repo, reference) }, [202], signal);
    answer.discard();
  }

  async #upload(
    repo: RepositoryName,
    { descriptor, open }: BlobOffer,
    from: RepositoryName | undefined,
    signal: AbortSignal,
  ): Promise<BlobArrival> {
    const { digest, size } = descriptor;
    const query = from === undefined ? "" : `?${new URLSearchParams({ mount: digest, from }).toString()}`;
    const start = this.#url(repo, `blobs/uploads/${query}`);
    const started = await this.#expect({ method: "POST", url: start }, from === undefined ? [202] : [201, 202], signal);
    started.discard();
    if (started.status === 201) return "mounted";

    const location = started.header("location");
    if (location === undefined) throw notARegistry(start, "the answer names no place to send the blob to");
    const url = new URL(location, started.url);
    url.searchParams.append("digest", digest);
    const headers = { "content-type": OCTET_STREAM };
    const body = { kind: "stream", length: size, open } as const;
    const finished = await this.#expect({ method: "PUT", url, headers, body }, [201, 204], signal);
    finished.discard();
    return "sent";
  }

  /** @throws {CliError} unless the status is one of `statuses`. */
  async #expect(request: Request, statuses: readonly number[], signal: AbortSignal): Promise<Answer> {
    const answer = await this.#exchange.send(request, signal);
    if (statuses.includes(answer.status)) return answer;
    throw await failureOf(request, answer);
  }

  #manifestUrl(repo: RepositoryName, reference: Reference): URL {
    return this.#url(repo, `manifests/${reference.kind === "tag" ? reference.tag : reference.digest}`);
  }

  #url(repo: RepositoryName, rest: string): URL {
    return new URL(`/v2/${repo}/${rest}`, this.#base);
  }
}

/** A reference to the tag. */
export function byTag(tag: Tag): Reference {
  return { kind: "tag", tag };
}

/** A reference to the digest. */
export function byDigest(digest: Digest): Reference {
  return { kind: "digest", digest };
}

function mediaTypeOf(answer: Answer): string {
  return withoutParameters(answer.header("content-type") ?? "");
}

/** The target of `Link: <…>; rel="next"`. */
function nextPage(link: string | undefined, url: URL): URL | undefined {
  const [, target] = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link ?? "") ?? [];
  return target === undefined ? undefined : new URL(target, url);
}

function notARegistry(url: URL, what: string): CliError {
  return new CliError({
    exitCode: EXIT.failed,
    what,
    where: url.href,
    hint: "this is no OCI registry, or a broken one: look at it with `curl -i`",
  });
}
