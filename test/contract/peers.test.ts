import { Rpc } from "../support/rpc-fixture.ts";
import { peersContract } from "./peers-contract.ts";

peersContract("gRPC on loopback", async () => {
  const rpc = new Rpc();
  return await Promise.resolve({
    connect: async (service, caller) => {
      const { address } = await rpc.serve(service);
      return rpc.dial(address, caller);
    },
    connectNowhere: async (caller) => {
      const gone = await rpc.serve(() => {
        throw new Error("nobody listens here");
      });
      await gone.stop(0);
      return rpc.dial(gone.address, caller);
    },
    run: async (body) => await body(),
    dispose: async () => await rpc[Symbol.asyncDispose](),
  });
});
