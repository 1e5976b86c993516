/**
 * The failure catalogue of the protocol's evidence (section 5), all 95 rows of it: each as a story that the simulator
 * tells, or with the mistake, the test or the later issue that stands in its place. `make sim SCENARIO=story-58` tells
 * one, `SCENARIO=stories` all.
 */
import { BYTES } from "./bytes.ts";
import { MACHINES } from "./machines.ts";
import { MEANING } from "./meaning.ts";
import { NETWORK } from "./network.ts";
import type { Row } from "./row.ts";

export const CATALOGUE: readonly Row[] = [...NETWORK, ...MACHINES, ...MEANING, ...BYTES];
