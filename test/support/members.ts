/** Members of a cluster, as news tell of them. */
import { parseNodeId, parseOrigin, parseRegion } from "../../shared/identity.ts";
import type { MemberDescription, MemberNews } from "../../shared/member.ts";

export function describedAs(region: string, changes: Partial<MemberDescription> = {}): MemberDescription {
  return {
    region: parseRegion(region),
    origin: parseOrigin("00000000000000aa"),
    boot: 1,
    nonce: "",
    protocol: { min: 1, max: 1 },
    advertise: { registry: `http://${region}:5000`, peer: `${region}:7000` },
    version: "1",
    labels: { zone: "", role: "full", capacityBytes: undefined, costClass: "" },
    features: [],
    ...changes,
  };
}

/** That `node` is alive in the region its name begins with; `changes` say otherwise. */
export function newsOf(node: string, changes: Partial<MemberNews> = {}): MemberNews {
  return {
    node: parseNodeId(node),
    incarnation: 1,
    standing: "alive",
    accusers: [],
    evictions: 0,
    description: describedAs(node.replace(/-.*$/, ""), { advertise: addressesOf(node) }),
    ...changes,
  };
}

function addressesOf(node: string): MemberDescription["advertise"] {
  return { registry: `http://${node}:5000`, peer: `${node}:7000` };
}
