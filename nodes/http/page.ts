/** One page of a list: what a caller may ask for, and how the next page is told. Source: distribution-spec, "Listing Tags"; RFC 8288. */
import { RegistryError } from "../../shared/errors.ts";
import { PAGE_ENTRIES_MAX } from "../../shared/limits.ts";
import type { Query } from "./target.ts";

/** `Unasked` is the limit of a client that names none: a number, or `undefined` where something else ends a page. */
export type PageRequest<Unasked extends number | undefined = number> = {
  /** 0 asks for nothing and gets it. */
  readonly limit: number | Unasked;
  /** Exclusive; need not exist. */
  readonly after: string | undefined;
};

const DIGITS = /^[0-9]{1,16}$/;

/**
 * `n` above the largest page is clamped; the caller sees it in the link.
 * @throws {RegistryError} `UNSUPPORTED` (400) when `n` is no whole number of 0 or more.
 */
export function parsePage<Unasked extends number | undefined>(
  query: Query,
  limitUnasked: Unasked,
): PageRequest<Unasked> {
  const n = query.first("n");
  const after = query.first("last");
  if (n === undefined || n === "") return { limit: limitUnasked, after };
  if (!DIGITS.test(n)) {
    throw new RegistryError(
      "UNSUPPORTED",
      { n: n.slice(0, 32) },
      { status: 400, message: "n must be a whole number, 0 or more" },
    );
  }
  return { limit: Math.min(Number(n), PAGE_ENTRIES_MAX), after };
}

/** The `Link` header to the page after `last`. `path` is sent as it is; `extra` parameters come along. */
export function linkToNext(
  path: string,
  { limit, last }: { readonly limit: number | undefined; readonly last: string },
  extra: readonly (readonly [string, string])[] = [],
): string {
  const size = limit === undefined ? [] : [["n", String(limit)] as const];
  const parameters = [...size, ["last", last], ...extra] as const;
  const query = parameters.map(([name = "", value = ""]) => `${name}=${encodeURIComponent(value)}`).join("&");
  return `<${path}?${query}>; rel="next"`;
}
