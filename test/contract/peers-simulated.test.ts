import { SimNetwork } from "../../cluster-sim/sim-network.ts";
import { World } from "../../cluster-sim/world.ts";
import { greeting } from "../support/rpc-fixture.ts";
import { peersContract } from "./peers-contract.ts";

peersContract("the simulated network", async () => {
  const world = new World();
  const network = new SimNetwork(world);
  const eu = greeting("eu-1");
  return await Promise.resolve({
    connect: async (service, caller) => {
      network.listen(eu, service);
      return await Promise.resolve(network.peers(caller).dial(eu.advertise.peer));
    },
    connectNowhere: async (caller) => await Promise.resolve(network.peers(caller).dial("nowhere:7000")),
    run: async (body) => await world.run(body()),
    dispose: async () => await world.runUntilIdle(),
  });
});
