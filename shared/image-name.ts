/**
 * An image as people name it: `127.0.0.1:5001/team/app:1.2`, `registry.example.com/app@sha256:…`. What stands before the
 * first slash is a registry when it looks like a host (a dot, a colon, or `localhost`), by Docker's rule; unlike
 * Docker, a name without one belongs to nobody's default hub, and whoever parsed it must know where to ask.
 */
import { type Digest, isDigest } from "./digest.ts";
import { parseHostPort } from "./host-port.ts";
import { isRepositoryName, isTag, type Reference, type RepositoryName, type Tag } from "./reference.ts";

export type ImageName = {
  /** `host` or `host:port`, as written. */
  readonly registry: string | undefined;
  readonly repo: RepositoryName;
  readonly tag: Tag | undefined;
  readonly digest: Digest | undefined;
};

/** Why a text names no image, in words for whoever typed it. */
export class ImageNameError extends Error {
  override readonly name = "ImageNameError";
}

const NAME_LENGTH_MAX = 1024;

/** @throws {ImageNameError} */
export function parseImageName(text: string): ImageName {
  if (text.length > NAME_LENGTH_MAX) throw new ImageNameError(`a name has at most ${NAME_LENGTH_MAX} characters`);
  const scheme = /^[a-z+.-]+:\/\//i.exec(text)?.[0];
  if (scheme !== undefined) throw new ImageNameError(`${told(text)}: leave out ${scheme}, write HOST:PORT/NAME`);

  const [named, digest] = splitDigest(text);
  const slash = named.indexOf("/");
  const host = named.slice(0, Math.max(0, slash));
  const registry = isLikeHost(host) ? host : undefined;
  if (registry !== undefined && !isHost(registry)) {
    throw new ImageNameError(`${told(registry)} is not HOST or HOST:PORT`);
  }

  const rest = registry === undefined ? named : named.slice(slash + 1);
  const colon = rest.lastIndexOf(":");
  const repo = colon > rest.lastIndexOf("/") ? rest.slice(0, colon) : rest;
  const tag = repo === rest ? undefined : rest.slice(colon + 1);
  if (!isRepositoryName(repo)) throw new ImageNameError(repositoryProblem(repo));
  if (tag !== undefined && !isTag(tag)) {
    throw new ImageNameError(`${told(tag)} is not a tag: letters, digits, _ . - and at most 128 of them`);
  }
  return { registry, repo, tag, digest };
}

/** What `parseImageName` reads back. */
export function formatImageName({ registry, repo, tag, digest }: ImageName): string {
  const host = registry === undefined ? "" : `${registry}/`;
  return `${host}${repo}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** The digest when there is one, for it is the more exact; else the tag; `undefined` when the name has neither. */
export function referenceOf({ tag, digest }: ImageName): Reference | undefined {
  if (digest !== undefined) return { kind: "digest", digest };
  return tag === undefined ? undefined : { kind: "tag", tag };
}

function splitDigest(text: string): readonly [string, Digest | undefined] {
  const at = text.indexOf("@");
  if (at === -1) return [text, undefined];
  const digest = text.slice(at + 1);
  if (isDigest(digest)) return [text.slice(0, at), digest];
  throw new ImageNameError(`${told(digest)} is not a digest: sha256: and 64 digits of 0-9a-f`);
}

function isLikeHost(text: string): boolean {
  return text.includes(".") || text.includes(":") || text === "localhost";
}

function isHost(text: string): boolean {
  return parseHostPort(text) !== undefined || parseHostPort(`${text}:443`) !== undefined;
}

function repositoryProblem(repo: string): string {
  const lower = repo.toLowerCase();
  if (repo === "") return "no repository is named: write HOST:PORT/NAME";
  if (lower !== repo && isRepositoryName(lower)) return `${told(repo)} must be in lower case: ${lower}`;
  return `${told(repo)} is not a repository name: lower-case words, joined by . _ __ or -, in parts with / between`;
}

function told(text: string): string {
  return JSON.stringify(text.slice(0, 120));
}
