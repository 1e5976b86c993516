/**
 * What the clients of a run will ask for, drawn before it begins and written down as data, as its faults are: a
 * failing run can then be told again without its generator, and made smaller by leaving requests out.
 */
import type { NodeId } from "../shared/identity.ts";
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from "../shared/reference.ts";
import type { Settings, WorkKind } from "./settings.ts";
import type { World } from "./world.ts";

/** One request of one client. A client does its requests in order, each when it is due and the one before has ended. */
export type WorkStep = {
  readonly client: string;
  /** Since the safety phase began. */
  readonly atMs: number;
  /** `look` asks the node nothing: what it shows is judged at that moment. */
  readonly kind: WorkKind | "look";
  readonly node: NodeId;
  readonly repo: RepositoryName;
  readonly tag: Tag;
  /** Which image, or which other tag. */
  readonly number: number;
  /** Whether the client asks for each blob before it sends it. */
  readonly skipsKnown: boolean;
  /** How it must end: `ok`, `gone` or the code of a refusal. Left out where any fair end will do. */
  readonly ends?: string;
  /** The number of the small image that a read must show. */
  readonly shows?: number;
};

/** Every request of a run, client by client. */
export function planWork(chanceFor: World["chanceFor"], settings: Settings): readonly WorkStep[] {
  const nodes = settings.places.map(({ name }) => name);
  const clients = Array.from({ length: settings.clients }, (_, index) => `client ${index + 1}`);
  return clients.flatMap((client) => {
    const prng = chanceFor(client);
    const home = prng.pick(nodes);
    const steps: WorkStep[] = [];
    const pauseMs = (): number => Math.round(2 * settings.thinkMs * prng.fraction());
    for (let atMs = pauseMs(); atMs < settings.safetyMs; atMs += pauseMs() + 1) {
      steps.push({
        client,
        atMs,
        kind: prng.pick(settings.work),
        node: prng.chance(settings.loyalty) ? home : prng.pick(nodes),
        repo: parseRepositoryName(`shop/app${prng.integer(1, settings.repos)}`),
        tag: parseTag(`v${prng.integer(1, settings.tags)}`),
        number: prng.integer(1, settings.images),
        skipsKnown: prng.chance(0.5),
      });
    }
    return steps;
  });
}
