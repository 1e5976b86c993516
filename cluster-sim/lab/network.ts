/**
 * The wide-area network of a lab: for each ordered pair of nodes one line that the first dials to reach the second, and for
 * each direction between two nodes one {@link LinkDirection} that both their lines share.
 */
import { invariant } from "../../shared/invariant.ts";
import { LinkDirection, type Toxics } from "./link-direction.ts";
import { LinkProxy } from "./link-proxy.ts";

export type LabAddress = { readonly name: string; readonly region: string; readonly peerPort: number };

/** Round trips in ms, by two regions joined with a hyphen, in either order. A pair that is not there has none. */
export type RoundTrips = Readonly<Record<string, number>>;

/** Frankfurt, Virginia, Singapore: what these lines take on a good day. */
export const WAN: RoundTrips = { "eu-us": 80, "us-ap": 150, "eu-ap": 210 };

const LOOPBACK = "127.0.0.1";

export type LineStatus = {
  readonly source: string;
  readonly target: string;
  readonly mode: "pass" | "refuse" | "silent";
  readonly isCut: boolean;
  /** One way, in ms. */
  readonly latencyMs: number;
  readonly bytesPerSecond: number | undefined;
  readonly connections: number;
};

type Line = { readonly source: LabAddress; readonly target: LabAddress; readonly proxy: LinkProxy };

export class Network {
  readonly #lines: readonly Line[];
  readonly #directions: ReadonlyMap<string, LinkDirection>;

  private constructor(lines: readonly Line[], directions: ReadonlyMap<string, LinkDirection>) {
    this.#lines = lines;
    this.#directions = directions;
  }

  /** Opens a line for every ordered pair of `nodes`. */
  static async open(nodes: readonly LabAddress[], roundTrips: RoundTrips): Promise<Network> {
    const directions = new Map<string, LinkDirection>();
    for (const [source, target] of orderedPairs(nodes)) {
      directions.set(keyOf(source, target), new LinkDirection(usualToxics(source, target, roundTrips)));
    }
    const lines: Line[] = [];
    for (const [source, target] of orderedPairs(nodes)) {
      const proxy = await LinkProxy.listen({
        target: { host: LOOPBACK, port: target.peerPort },
        upstream: directionOf(directions, source, target),
        downstream: directionOf(directions, target, source),
      });
      lines.push({ source, target, proxy });
    }
    return new Network(lines, directions);
  }

  /** What `source` dials to reach each other node. */
  linesFrom(source: string): readonly { readonly target: string; readonly address: string }[] {
    const lines = this.#lines.filter((line) => line.source.name === source);
    return lines.map(({ target, proxy }) => ({ target: target.name, address: proxy.address }));
  }

  /** Changes what travels from `source` to `target`, both node names. */
  poison(source: string, target: string, toxics: Toxics): void {
    this.#directionBetween(source, target).poison(toxics);
  }

  /** How the line that `source` dials to `target` treats connections. */
  setMode(source: string, target: string, mode: "pass" | "refuse" | "silent"): void {
    this.#lineBetween(source, target).proxy.setMode(mode);
  }

  /** Resets what is open on the line that `source` dials to `target`. */
  reset(source: string, target: string): void {
    this.#lineBetween(source, target).proxy.reset();
  }

  /** Everything as it was in the beginning. */
  heal(): void {
    for (const direction of this.#directions.values()) direction.heal();
    for (const { proxy } of this.#lines) proxy.setMode("pass");
  }

  healBetween(source: string, target: string): void {
    this.#directionBetween(source, target).heal();
    this.#lineBetween(source, target).proxy.setMode("pass");
  }

  get isWhole(): boolean {
    return this.status().every(({ mode, isCut }) => mode === "pass" && !isCut);
  }

  status(): readonly LineStatus[] {
    return this.#lines.map(({ source, target, proxy }) => {
      const direction = this.#directionBetween(source.name, target.name);
      return {
        source: source.name,
        target: target.name,
        mode: proxy.mode,
        isCut: direction.isCut,
        latencyMs: direction.toxics.latency?.latencyMs ?? 0,
        bytesPerSecond: direction.toxics.bandwidth?.bytesPerSecond,
        connections: proxy.connectionCount,
      };
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#lines.map(async ({ proxy }) => await proxy.close()));
  }

  #directionBetween(source: string, target: string): LinkDirection {
    const direction = this.#directions.get(`${source} ${target}`);
    invariant(direction !== undefined, "two different nodes of the lab have a direction between them");
    return direction;
  }

  #lineBetween(source: string, target: string): Line {
    const line = this.#lines.find((known) => known.source.name === source && known.target.name === target);
    invariant(line !== undefined, "two different nodes of the lab have a line between them");
    return line;
  }
}

function orderedPairs(nodes: readonly LabAddress[]): readonly (readonly [LabAddress, LabAddress])[] {
  return nodes.flatMap((source) =>
    nodes.filter((target) => target !== source).map((target): readonly [LabAddress, LabAddress] => [source, target]),
  );
}

function keyOf(source: LabAddress, target: LabAddress): string {
  return `${source.name} ${target.name}`;
}

function directionOf(
  directions: ReadonlyMap<string, LinkDirection>,
  source: LabAddress,
  target: LabAddress,
): LinkDirection {
  const direction = directions.get(keyOf(source, target));
  invariant(direction !== undefined, "every ordered pair has a direction");
  return direction;
}

function usualToxics({ region: one }: LabAddress, { region: other }: LabAddress, roundTrips: RoundTrips): Toxics {
  const roundTripMs = roundTrips[`${one}-${other}`] ?? roundTrips[`${other}-${one}`] ?? 0;
  return roundTripMs === 0 ? {} : { latency: { latencyMs: roundTripMs / 2, jitterMs: 0 } };
}
