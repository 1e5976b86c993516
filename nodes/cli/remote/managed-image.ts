import type { Session } from "../terminal/session.ts";
import { ManagementClient } from "./management-client.ts";
import { exchangeFor, findImage, type RegistryImage, type WireSetting } from "./registry-image.ts";
import { baseOf } from "./server-address.ts";

export type ManagedImage = { readonly client: ManagementClient; readonly image: RegistryImage };

/** An image, and the management API of the host it was named with. @throws {CliError} usage, when `text` names no image. */
export async function findManagedImage(text: string, wire: WireSetting, session: Session): Promise<ManagedImage> {
  const exchange = exchangeFor(wire, session);
  const image = await findImage(text, wire, session, exchange);
  return { client: new ManagementClient(baseOf(image.host, wire.plainHttp), exchange), image };
}
