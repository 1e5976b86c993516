/**
 * Who may import whom. A room is a folder, or a file that stands for itself; a file imports from its own room or from a strictly
 * lower floor, so rooms on one floor never meet and no circle of rooms can form. A door is the one place where an npm
 * package enters.
 */

import path from "node:path";
import type { Breach, SourceFile } from "./source-file.ts";

type Room = {
  readonly name: string;
  /** Path prefixes; one that ends in a slash is a folder. */
  readonly holds: readonly string[];
  readonly floor: number;
  /** When set, the only rooms it may import from, apart from itself. */
  readonly imports?: readonly string[];
  /** Rooms of which it may take the types but no code. */
  readonly typesOnlyFrom?: readonly string[];
};

export const ROOMS: readonly Room[] = [
  { name: "shared", holds: ["shared/"], floor: 0 },
  { name: "proto/gen", holds: ["proto/gen/"], floor: 0, imports: [] },
  { name: "nodes/protocol", holds: ["nodes/protocol/"], floor: 1, imports: ["shared"] },
  { name: "nodes/ports", holds: ["nodes/ports/"], floor: 1, imports: ["shared"], typesOnlyFrom: ["shared"] },
  { name: "nodes/console", holds: ["nodes/console/"], floor: 1, imports: ["shared"], typesOnlyFrom: ["shared"] },
  { name: "nodes/storage", holds: ["nodes/storage/"], floor: 2 },
  { name: "nodes/cluster", holds: ["nodes/cluster/"], floor: 3 },
  { name: "nodes/registry", holds: ["nodes/registry/"], floor: 4 },
  { name: "nodes/node.ts", holds: ["nodes/node.ts"], floor: 5 },
  { name: "nodes/http", holds: ["nodes/http/"], floor: 6 },
  { name: "nodes/rpc", holds: ["nodes/rpc/"], floor: 6 },
  { name: "nodes/platform", holds: ["nodes/platform/"], floor: 6 },
  {
    name: "cluster-sim",
    holds: ["cluster-sim/"],
    floor: 6,
    imports: ["shared", "nodes/protocol", "nodes/ports", "nodes/node.ts"],
    // Fleets of bare machines are run there as well, so the machines themselves may enter.
    typesOnlyFrom: ["nodes/ports"],
  },
  // The process and its commands are one room: main.ts does nothing but start one of them.
  { name: "nodes/cli", holds: ["nodes/main.ts", "nodes/cli/"], floor: 7 },
  { name: "test", holds: ["test/"], floor: 8 },
];

/** Rooms that others than the floor table allows must not enter. */
const GUESTS: Readonly<Record<string, readonly string[]>> = {
  "proto/gen": ["nodes/rpc"],
  "nodes/console": [],
  test: [],
};

const PACKAGE_DOORS: readonly { readonly packages: RegExp; readonly doors: readonly string[] }[] = [
  { packages: /^(?:fastify|@fastify\/.+|jose)$/, doors: ["nodes/http/"] },
  { packages: /^@grpc\/(?:grpc-js|proto-loader)$/, doors: ["nodes/rpc/", "proto/gen/"] },
  { packages: /^(?:level|prom-client|pino)$/, doors: ["nodes/platform/"] },
  { packages: /^p-queue$/, doors: ["nodes/cluster/"] },
  { packages: /^hashring$/, doors: ["nodes/protocol/placement.ts"] },
  { packages: /^(?:commander|yaml)$/, doors: ["nodes/cli/", "nodes/main.ts"] },
  { packages: /^typebox$/, doors: ["shared/"] },
  { packages: /^ajv$/, doors: ["nodes/cli/", "nodes/main.ts", "nodes/http/"] },
  { packages: /^(?:vitest|fast-check|testcontainers|playwright-core)$/, doors: ["test/"] },
  // A test reads what the project publishes: compose files, dashboards, schemas.
  { packages: /^(?:yaml|ajv)$/, doors: ["test/"] },
];

/** Modules of Node that neither read a clock nor leave the process; below floor 6 there are no others. */
const PURE_MODULES: readonly string[] = [
  "node:assert",
  "node:assert/strict",
  "node:buffer",
  "node:crypto",
  "node:events",
  "node:stream",
  "node:stream/promises",
  "node:string_decoder",
  "node:util",
  "node:zlib",
];

/** The lowest floor that may touch the world. */
export const EDGE_FLOOR = 6;

export function roomOf(filePath: string): Room | undefined {
  return ROOMS.find(({ holds }) =>
    holds.some((held) => (held.endsWith("/") ? filePath.startsWith(held) : filePath === held)),
  );
}

/** The file that a relative specifier names, or `undefined` for a package or a module of Node. */
export function importedFile(importer: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return path.posix.normalize(path.posix.join(path.posix.dirname(importer), specifier));
}

function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

function whyRoomsMustNotMeet(from: Room, to: Room, isType: boolean): string | undefined {
  if (from === to) return undefined;
  const guests = GUESTS[to.name];
  if (from.name !== "test" && guests !== undefined && !guests.includes(from.name)) {
    return `${from.name} must not import ${to.name}`;
  }
  if (to.floor >= from.floor) {
    return `floor ${from.floor} (${from.name}) must not import floor ${to.floor} (${to.name})`;
  }
  if (from.imports !== undefined && !from.imports.includes(to.name)) return `${from.name} must not import ${to.name}`;
  if (!isType && from.typesOnlyFrom?.includes(to.name) === true) {
    return `${from.name} may import only types from ${to.name}`;
  }
  return undefined;
}

function whyModuleMustNotEnter(filePath: string, room: Room, specifier: string): string | undefined {
  if (specifier.startsWith("node:")) {
    if (room.name === "shared" && specifier !== "node:crypto") return `shared must not import ${specifier}`;
    if (room.name === "nodes/ports" || room.name === "nodes/console") return undefined;
    if (room.floor < EDGE_FLOOR && !PURE_MODULES.includes(specifier)) {
      return `below floor ${EDGE_FLOOR} nothing may import ${specifier}`;
    }
    return undefined;
  }
  const name = packageOf(specifier);
  const entries = PACKAGE_DOORS.filter(({ packages }) => packages.test(name));
  if (entries.length === 0) return `package ${name} has no door`;
  const doors = entries.flatMap((entry) => entry.doors);
  if (doors.some((door) => (door.endsWith("/") ? filePath.startsWith(door) : filePath === door))) return undefined;
  return `package ${name} may enter only by ${doors.join(", ")}`;
}

/** Every import that breaks a floor or a door, and every file that stands in no room. */
export function breachesOfFloorsAndDoors(files: readonly SourceFile[]): readonly Breach[] {
  return files.flatMap((file) => {
    const room = roomOf(file.path);
    if (room === undefined) return [`${file.path}:1: stands on no floor`];

    return file.scan.imports.flatMap(({ line, specifier, isType }) => {
      const why = whyImportIsWrong(file.path, room, specifier, isType);
      return why === undefined ? [] : [`${file.path}:${line}: ${why}`];
    });
  });
}

function whyImportIsWrong(
  filePath: string,
  room: Room,
  specifier: string | undefined,
  isType: boolean,
): string | undefined {
  // A test may import what a fixture names; anywhere else a computed import is a door that nobody can see.
  if (specifier === undefined) return room.name === "test" ? undefined : "imports a module by a computed name";
  const target = importedFile(filePath, specifier);
  if (target === undefined) return whyModuleMustNotEnter(filePath, room, specifier);
  const targetRoom = roomOf(target);
  if (targetRoom === undefined) return `imports ${target}, which stands on no floor`;
  return whyRoomsMustNotMeet(room, targetRoom, isType);
}
