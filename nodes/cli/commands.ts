/**
 * Every command, with the line that `meridian --help` tells of it. A command's own file is loaded when it is typed and
 * not before: `meridian version` must not pay for gRPC.
 */
import type { Command } from "commander";

import type { Session } from "./terminal/session.ts";

/** Adds one command, with its arguments, options, examples and action, to the program. */
export type DefineCommand = (program: Command, session: Session) => void;

export type CommandEntry = {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly define: DefineCommand }>;
};

export const COMMANDS: readonly CommandEntry[] = [
  { name: "serve", summary: "run a node", load: async () => await import("./serve.ts") },
  {
    name: "config",
    summary: "check a configuration, or show what it means",
    load: async () => await import("./config.ts"),
  },
  { name: "push", summary: "push an image to a registry", load: async () => await import("./push.ts") },
  { name: "pull", summary: "pull an image into a folder or a file", load: async () => await import("./pull.ts") },
  {
    name: "copy",
    summary: "copy an image between repositories or registries",
    load: async () => await import("./copy.ts"),
  },
  { name: "tag", summary: "give an image another tag", load: async () => await import("./tag.ts") },
  { name: "digest", summary: "print what a tag names", load: async () => await import("./digest.ts") },
  { name: "inspect", summary: "show what an image is made of", load: async () => await import("./inspect.ts") },
  { name: "rm", summary: "remove a tag, or a manifest by its digest", load: async () => await import("./rm.ts") },
  { name: "tags", summary: "list the tags of a repository", load: async () => await import("./tags.ts") },
  {
    name: "history",
    summary: "who moved a tag, where, when, from, to",
    load: async () => await import("./history.ts"),
  },
  { name: "status", summary: "the cluster at a glance", load: async () => await import("./status.ts") },
  { name: "members", summary: "every node and how it is reached", load: async () => await import("./members.ts") },
  {
    name: "verify",
    summary: "compare what all nodes hold, and name what differs",
    load: async () => await import("./verify.ts"),
  },
  {
    name: "release",
    summary: "let go an origin whose changes are kept aside",
    load: async () => await import("./release.ts"),
  },
  { name: "lag", summary: "how far each node is behind each other", load: async () => await import("./lag.ts") },
  {
    name: "replication",
    summary: "how far an image has come, region by region",
    load: async () => await import("./replication.ts"),
  },
  { name: "wait", summary: "wait until an image has come somewhere", load: async () => await import("./wait.ts") },
  { name: "lab", summary: "three regions on this machine, with faults", load: async () => await import("./lab.ts") },
  { name: "version", summary: "print the version", load: async () => await import("./version.ts") },
];
