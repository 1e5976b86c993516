/** One thread of `farm.ts`: tells the stories of its order that it is given by number, one at a time. */
import process from "node:process";
import { parentPort } from "node:worker_threads";
import { tell } from "./farm.ts";
import { readOrder } from "./order.ts";

const order = readOrder(process.argv.slice(2));

async function tellNumber(index: number): Promise<void> {
  const play = order.plays[index];
  if (play === undefined) throw new Error(`the order has no story ${index}`);
  const outcome = await tell(play, order);
  const isTold = order.isVerbose || outcome.findings.length > 0;
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Node's message ports know no origin
  parentPort?.postMessage(isTold ? outcome : { ...outcome, lines: [] });
}

parentPort?.on("message", (index: number) => {
  tellNumber(index).catch((cause: unknown) => {
    // Ends the thread, which the one who gave the number hears of.
    throw cause;
  });
});
