import type { OutputOptions } from "../options.ts";

/** What `meridian lab up` was told. */
export type UpOptions = OutputOptions & {
  readonly regions: string;
  readonly latency: "wan" | "none";
  readonly keep?: string;
  readonly portBase: string;
  readonly detach?: true;
  readonly detached?: true;
};
