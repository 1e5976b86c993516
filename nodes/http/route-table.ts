/**
 * From a judged target to a route. Repository names hold slashes and may hold any word, `blobs`, `manifests`, `tags`
 * and `uploads` included, so a path is read from its end: what follows the name is of fixed length, and
 * `/v2/a/blobs/uploads/manifests/latest` is the manifest `latest` of `a/blobs/uploads`. Matching compares a few
 * segments and backtracks nowhere, whatever the path is made of.
 *
 * Names never begin with an underscore: what does is an extension, and unless a route knows it, nobody does.
 * Source: distribution-spec, "Extensions".
 */
import { invariant } from "../../shared/invariant.ts";
import type { Route } from "./call.ts";
import type { Target } from "./target.ts";

const NAME = "<name>";

export type RouteFound =
  | {
      readonly kind: "found";
      readonly route: Route;
      /** Of the path's placeholders. */
      readonly placeholders: ReadonlyMap<string, string>;
    }
  /** The path is known, the method is not. */
  | { readonly kind: "other-methods"; readonly path: string; readonly methods: readonly string[] }
  | { readonly kind: "unknown" };

type Pattern = {
  readonly path: string;
  /** Before the name, or all of it when there is none. */
  readonly head: readonly string[];
  readonly hasName: boolean;
  readonly tail: readonly string[];
  readonly mayEndInSlash: boolean;
  readonly routes: readonly Route[];
};

export class RouteTable {
  /** In the order of the routes: of two that match, the first counts. */
  readonly #patterns: readonly Pattern[];

  constructor(routes: readonly Route[]) {
    const paths = [...new Set(routes.map(({ path }) => path))];
    this.#patterns = paths.map((path) =>
      patternOf(
        path,
        routes.filter((route) => route.path === path),
      ),
    );
  }

  find(method: string, target: Target): RouteFound {
    for (const pattern of this.#patterns) {
      const placeholders = match(pattern, target);
      if (placeholders === undefined) continue;
      const route = pattern.routes.find((candidate) => candidate.method === method);
      if (route !== undefined) return { kind: "found", route, placeholders };
      return { kind: "other-methods", path: pattern.path, methods: pattern.routes.map((known) => known.method) };
    }
    return { kind: "unknown" };
  }
}

function patternOf(path: string, routes: readonly Route[]): Pattern {
  const segments = path.split("/").filter((segment) => segment !== "");
  const nameAt = segments.indexOf(NAME);
  invariant(nameAt === segments.lastIndexOf(NAME), "a path holds one name at most");
  return {
    path,
    head: nameAt < 0 ? segments : segments.slice(0, nameAt),
    hasName: nameAt >= 0,
    tail: nameAt < 0 ? [] : segments.slice(nameAt + 1),
    mayEndInSlash: path.endsWith("/"),
    routes,
  };
}

function match(pattern: Pattern, { segments, endsInSlash }: Target): ReadonlyMap<string, string> | undefined {
  const { head, hasName, tail, mayEndInSlash } = pattern;
  if (endsInSlash && !mayEndInSlash) return undefined;
  const nameLength = segments.length - head.length - tail.length;
  if (hasName ? nameLength < 1 : nameLength !== 0) return undefined;
  if (hasName && segments[head.length]?.startsWith("_") === true) return undefined;

  const placeholders = new Map<string, string>();
  const isMatch =
    matchPart(head, segments, 0, placeholders) &&
    matchPart(tail, segments, segments.length - tail.length, placeholders);
  if (!isMatch) return undefined;
  if (hasName) placeholders.set("name", segments.slice(head.length, head.length + nameLength).join("/"));
  return placeholders;
}

function matchPart(
  part: readonly string[],
  segments: readonly string[],
  start: number,
  placeholders: Map<string, string>,
): boolean {
  return part.every((word, index) => {
    const segment = segments[start + index] ?? "";
    if (!word.startsWith("<")) return word === segment;
    placeholders.set(word.slice(1, -1), segment);
    return true;
  });
}
