/**
 * How a manifest is named: a repository, and a tag or a digest in it. The scanners are written by hand, in one pass:
 * the grammar of the specification, taken as a regular expression, backtracks on names such as `a-a-a-…`.
 */
import type { Brand } from "./brand.ts";
import { type Digest, parseDigest } from "./digest.ts";
import { RegistryError } from "./errors.ts";
import { REPOSITORY_NAME_LENGTH_MAX, TAG_LENGTH_MAX } from "./limits.ts";

/** Slash-separated lower-case components. Source: distribution-spec, "Pulling manifests", `<name>`. */
export type RepositoryName = Brand<string, "RepositoryName">;
/** `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`. Source: the same, `<reference>` as a tag. */
export type Tag = Brand<string, "Tag">;

export type Reference =
  | { readonly kind: "tag"; readonly tag: Tag }
  | { readonly kind: "digest"; readonly digest: Digest };

const TAG = new RegExp(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,${TAG_LENGTH_MAX - 1}}$`);

function isAlphanumeric(character: string | undefined): boolean {
  return character !== undefined && ((character >= "a" && character <= "z") || (character >= "0" && character <= "9"));
}

/** The end of the separator that starts at `start`: `.`, `_`, `__` or any number of `-`; `start` itself when there is none. */
function afterSeparator(text: string, start: number): number {
  let end = start;
  switch (text[start]) {
    case "/":
    case ".":
      return start + 1;
    case "_":
      return text[start + 1] === "_" ? start + 2 : start + 1;
    case "-":
      while (text[end] === "-") end += 1;
      return end;
    default:
      return start;
  }
}

export function isRepositoryName(text: string): text is RepositoryName {
  if (text.length === 0 || text.length > REPOSITORY_NAME_LENGTH_MAX) return false;
  let at = 0;
  while (true) {
    const word = at;
    while (isAlphanumeric(text[at])) at += 1;
    if (at === word) return false;
    if (at === text.length) return true;
    const next = afterSeparator(text, at);
    if (next === at) return false;
    at = next;
  }
}

/** @throws {RegistryError} `NAME_INVALID` */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text;
  throw new RegistryError("NAME_INVALID", { name: text.slice(0, REPOSITORY_NAME_LENGTH_MAX) });
}

export function isTag(text: string): text is Tag {
  return TAG.test(text);
}

/** @throws {RegistryError} `MANIFEST_INVALID`: the fourteen codes have none for a tag. */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text;
  throw new RegistryError("MANIFEST_INVALID", { tag: text.slice(0, TAG_LENGTH_MAX + 1) }, { message: "invalid tag" });
}

/**
 * A tag can hold no colon and a digest always does, so the colon alone decides. `sha256-<hex>` is a tag.
 * @throws {RegistryError} `DIGEST_INVALID` or, for a tag, `MANIFEST_INVALID`.
 */
export function parseReference(text: string): Reference {
  return text.includes(":") ? { kind: "digest", digest: parseDigest(text) } : { kind: "tag", tag: parseTag(text) };
}
