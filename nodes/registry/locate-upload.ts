import { RegistryError } from "../../shared/errors.ts";
import type { NodeId } from "../../shared/identity.ts";
import { UNAVAILABLE_RETRY_AFTER_SECONDS } from "../../shared/limits.ts";
import { isReachable, type PeerDirectory } from "../cluster/peer-directory.ts";
import { nodeOfUpload } from "../storage/uploads.ts";

/** Where an upload session is: its bytes lie on one node, and any other passes requests on to it. */
export type UploadPlace =
  | { readonly kind: "here" }
  | { readonly kind: "elsewhere"; readonly node: NodeId; readonly registry: string };

export type LocateUploadDeps = { readonly self: NodeId; readonly cluster: Pick<PeerDirectory, "member"> };

export class LocateUpload {
  readonly #deps: LocateUploadDeps;

  constructor(deps: LocateUploadDeps) {
    this.#deps = deps;
  }

  /** @throws {RegistryError} `BLOB_UPLOAD_UNKNOWN`, or `UNAVAILABLE` when the node that has the session is out of reach. */
  run(id: string): UploadPlace {
    const node = nodeOfUpload(id);
    if (node === this.#deps.self) return { kind: "here" };
    const member = node === undefined ? undefined : this.#deps.cluster.member(node);
    if (node === undefined || member?.greeting === undefined) throw new RegistryError("BLOB_UPLOAD_UNKNOWN");
    if (isReachable(member)) return { kind: "elsewhere", node, registry: member.greeting.advertise.registry };
    throw new RegistryError(
      "UNAVAILABLE",
      { holders: [{ node, region: member.greeting.region, reachable: false }] },
      { retryAfterSeconds: UNAVAILABLE_RETRY_AFTER_SECONDS },
    );
  }
}
