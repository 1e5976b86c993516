import { Prng } from "../../cluster-sim/prng.ts";
import { systemRandom } from "../../nodes/platform/system-random.ts";
import { randomContract } from "./random-contract.ts";

randomContract("the system's randomness", () => systemRandom);
randomContract("a seeded generator", () => new Prng("a seed"));
