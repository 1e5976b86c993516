/**
 * What a request needs to be allowed. The list is closed: a route declares one of these, and a route without one fails
 * the build. The names follow the actions of a registry token (distribution, "Token Scope Documentation"), so that a
 * `delete` is never granted by a `push`.
 */
export const ACCESS_KINDS = [
  /** Anybody, before any question is asked: health, the token endpoint, the console's own files. */
  "none",
  /** Whoever authenticated, with no rights at all: `/v2/`, by which clients learn how to log in. */
  "login",
  /** Reading a repository. */
  "pull",
  /** Writing to a repository, and everything about the uploads one has started there, cancelling them included. */
  "push",
  /** Taking a tag, a manifest or a blob out of a repository. */
  "delete",
  /** The names of all repositories. */
  "catalog",
  /** Reading the management API. */
  "observe",
  /** Changing what the management API governs. */
  "manage",
] as const;

export type AccessKind = (typeof ACCESS_KINDS)[number];
