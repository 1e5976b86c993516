import { formatHostPort } from "../../shared/host-port.ts";
import type { Call, Desk } from "./call.ts";
import { headerOf } from "./call.ts";
import { type Reply, textReply } from "./reply.ts";

const HOST = /^[A-Za-z0-9.:[\]-]{1,255}$/;

/** What a person sees who types the address into a browser: where this is, and what to type next. */
export function welcome(call: Call, { self, registryAddress }: Desk): Reply {
  const asked = headerOf(call, "host") ?? "";
  const host = HOST.test(asked) ? asked : formatHostPort(registryAddress());
  return textReply(
    200,
    [
      `Meridian: node ${self.node} in region ${self.region}.`,
      "",
      `  meridian push sample:hello ${host}/hello:v1`,
      `  meridian replication ${host}/hello:v1`,
      "",
    ].join("\n"),
  );
}
