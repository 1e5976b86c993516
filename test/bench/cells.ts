/** What is measured, and what the project promised of it. The targets are ratios to the best of the others, unless a unit says otherwise. */

const KIB = 1024;
const MIB = 1024 * KIB;

export type Target = {
  /** At least so many times the best of the others. */
  readonly ratio?: number;
  /** At least so many times Debian's docker-registry. */
  readonly dockerRatio?: number;
  /** At most so much of the processor time of the thriftiest of the others. */
  readonly cpuRatio?: number;
};

type Shared = { readonly name: string; readonly target: Target };

export type Cell =
  | (Shared & { readonly kind: "manifest"; readonly method: "GET" | "HEAD"; readonly connections: number })
  | (Shared & { readonly kind: "blob"; readonly size: number; readonly connections: number })
  | (Shared & {
      readonly kind: "push";
      readonly size: number;
      readonly connections: number;
      /** At most so many, within the time of a round. */
      readonly pushes: number;
    })
  | (Shared & { readonly kind: "manifest-push"; readonly connections: number; readonly pushes: number })
  | (Shared & { readonly kind: "mixed"; readonly readers: number; readonly streams: number; readonly size: number })
  | (Shared & { readonly kind: "cold-pull"; readonly clients: number; readonly size: number });

const MANIFEST: Target = { ratio: 4, dockerRatio: 16 };
const LARGE: Target = { ratio: 1.1, cpuRatio: 0.9 };
const UPLOAD: Target = { ratio: 1.3, dockerRatio: 1.8, cpuRatio: 0.75 };

export const CELLS: readonly Cell[] = [
  ...both((connections): Cell => manifest("GET", connections)),
  ...both((connections): Cell => manifest("HEAD", connections)),
  ...each([1, 8, 64], (connections) => blob("4K", 4 * KIB, connections, MANIFEST)),
  ...each([1, 8, 64], (connections) => blob("64K", 64 * KIB, connections, { ratio: 10 })),
  ...each([1, 8, 64], (connections) => blob("1M", MIB, connections, { ratio: 2.5 })),
  ...each([1, 8, 64], (connections) => blob("16M", 16 * MIB, connections, LARGE)),
  ...each([1, 8], (connections) => blob("256M", 256 * MIB, connections, LARGE)),
  push("64M", 64 * MIB, 1, 4),
  push("64M", 64 * MIB, 4, 8),
  push("256M", 256 * MIB, 1, 2),
  push("256M", 256 * MIB, 4, 4),
  ...both((connections): Cell => {
    const name = `push-10K-c${connections}`;
    return { kind: "push", name, size: 10 * KIB, connections, pushes: 6_000, target: { ratio: 2.5 } };
  }),
  ...both((connections): Cell => {
    const name = `push-manifest-c${connections}`;
    return { kind: "manifest-push", name, connections, pushes: 10_000, target: { ratio: 8 } };
  }),
  { kind: "mixed", name: "manifests-beside-32-streams", readers: 4, streams: 32, size: 16 * MIB, target: { ratio: 4 } },
  ...each([1, 16], (clients): Cell => {
    const target = { dockerRatio: clients === 1 ? 1 : 2 };
    return { kind: "cold-pull", name: `cold-256M-c${clients}`, clients, size: 256 * MIB, target };
  }),
];

/** Comma-separated beginnings of names; all cells without them. @throws when a word names none. */
export function chosenCells(words: string): readonly Cell[] {
  const prefixes = words.split(",").filter((word) => word !== "");
  for (const prefix of prefixes) {
    if (CELLS.some(({ name }) => name.startsWith(prefix))) continue;
    throw new Error(`CELLS: no cell begins with \`${prefix}\`; there are ${CELLS.map(({ name }) => name).join(", ")}`);
  }
  return CELLS.filter(({ name }) => prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix)));
}

function each(counts: readonly number[], make: (count: number) => Cell): readonly Cell[] {
  return counts.map(make);
}

function both(make: (connections: number) => Cell): readonly Cell[] {
  return each([1, 64], make);
}

function manifest(method: "GET" | "HEAD", connections: number): Cell {
  return { kind: "manifest", name: `${method}-manifest-c${connections}`, method, connections, target: MANIFEST };
}

function blob(label: string, size: number, connections: number, target: Target): Cell {
  return { kind: "blob", name: `GET-${label}-c${connections}`, size, connections, target };
}

function push(label: string, size: number, connections: number, pushes: number): Cell {
  return { kind: "push", name: `push-${label}-c${connections}`, size, connections, pushes, target: UPLOAD };
}
