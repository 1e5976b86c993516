import type { ServerOptions } from "../options.ts";
import type { Session } from "../terminal/session.ts";
import { ManagementClient } from "./management-client.ts";
import { exchangeFor } from "./registry-image.ts";
import { serverOf } from "./server-address.ts";

/** The management API of the node that a command without an image asks. */
export async function findServer(options: ServerOptions, session: Session): Promise<ManagementClient> {
  const base = await serverOf(options.server, options.plainHttp, session.environment);
  return new ManagementClient(base, exchangeFor(options, session));
}
