import type { Clock } from "./clock.ts";
import type { Disk } from "./disk.ts";
import type { Kv } from "./kv.ts";
import type { Greeting, Peers } from "./peers.ts";
import type { Random } from "./random.ts";
import type { Telemetry } from "./telemetry.ts";
import type { Timers } from "./timers.ts";

/** Everything a node needs from the world. Production passes `nodes/platform` and `nodes/rpc`, the simulator its own. */
export type Ports = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly kv: Kv;
  /** Called once the node knows who it is; every call carries `self`. */
  readonly peers: (self: Greeting) => Peers;
  readonly telemetry: Telemetry;
};
