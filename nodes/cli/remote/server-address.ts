/** Which server a command means, and how it is spoken to. */
import { isLoopbackHost, parseHostPort } from "../../../shared/host-port.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import type { Session } from "../terminal/session.ts";

const SERVER_DEFAULT = "http://127.0.0.1:5000";

/** The scheme that `host` (`host` or `host:port`) is spoken to with: HTTP on this machine or when asked for, else HTTPS. */
export function baseOf(host: string, isPlainHttp: boolean | undefined): URL {
  const name = parseHostPort(host)?.host ?? host;
  return new URL(`${isPlainHttp === true || isLoopbackHost(name) ? "http" : "https"}://${host}`);
}

/** What was said, else `MERIDIAN_SERVER`, else the first node of the lab that runs, else a node on its usual port. */
export async function serverOf(
  said: string | undefined,
  isPlainHttp: boolean | undefined,
  environment: Session["environment"],
): Promise<URL> {
  const text = said ?? nonEmpty(environment["MERIDIAN_SERVER"]);
  if (text !== undefined) return parseServer(text, isPlainHttp);
  const { readLabState } = await import("../../../cluster-sim/lab/state-file.ts");
  const [node] = (await readLabState(environment))?.nodes ?? [];
  return new URL(node === undefined ? SERVER_DEFAULT : `http://${node.registry}`);
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

/** `http://host:port`, or `host:port` alone. */
function parseServer(text: string, isPlainHttp: boolean | undefined): URL {
  if (!text.includes("://") && (parseHostPort(text) ?? parseHostPort(`${text}:443`)) !== undefined) {
    return baseOf(text, isPlainHttp);
  }
  const url = URL.parse(text);
  if (url !== null && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw new CliError({
    exitCode: EXIT.usage,
    what: `${JSON.stringify(text)} is no server`,
    where: "--server or MERIDIAN_SERVER",
    hint: "write http://HOST:PORT",
  });
}
