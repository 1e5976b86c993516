import { ACCESS_KINDS } from "../../../shared/access.ts";
import type { Breach } from "./source-file.ts";

function field(route: unknown, name: string): unknown {
  if (typeof route !== "object" || route === null) return undefined;
  return new Map<string, unknown>(Object.entries(route)).get(name);
}

/** `routes`: the exported table of nodes/http/routes.ts, taken as unknown so that no type can vouch for it. */
export function breachesOfRoutes(routes: unknown): readonly Breach[] {
  if (!Array.isArray(routes)) return ["there is no table of routes"];
  if (routes.length === 0) return ["the table of routes is empty"];
  return routes
    .filter((route) => !ACCESS_KINDS.some((kind) => kind === field(route, "access")))
    .map(
      (route) =>
        `${String(field(route, "method"))} ${String(field(route, "path"))}: declares no known access (${JSON.stringify(field(route, "access"))})`,
    );
}
