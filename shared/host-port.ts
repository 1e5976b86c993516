/** `host:port`, as listeners, peers and image names write it. An IPv6 address stands in brackets. */

export type HostPort = {
  /** A name, an IPv4 address, or an IPv6 address without its brackets. */
  readonly host: string;
  /** 0 asks the system for a free port; only a listener may. */
  readonly port: number;
};

const PORT_MAX = 65_535;
const HOST_LENGTH_MAX = 253;
const NAME = /^[a-zA-Z0-9_](?:[a-zA-Z0-9._-]*[a-zA-Z0-9])?$/;
const IPV6 = /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:%[a-zA-Z0-9._-]+)?$/;
const OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const IPV4_LOOPBACK = new RegExp(`^127(?:\\.${OCTET}){3}$`);

/** `undefined` when `text` is anything but a host, a colon and a port from 0 to 65535. */
export function parseHostPort(text: string): HostPort | undefined {
  const colon = text.lastIndexOf(":");
  if (colon < 1) return undefined;
  const host = parseHost(text.slice(0, colon));
  const port = parsePort(text.slice(colon + 1));
  return host === undefined || port === undefined ? undefined : { host, port };
}

/** What `parseHostPort` reads back. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine can reach `host`. In doubt it is not. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase();
  return name === "localhost" || name === "::1" || IPV4_LOOPBACK.test(name);
}

/** Whether a listener on `host` answers on every address, so that `host` itself is no address to give to others. */
export function isWildcardHost(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function parseHost(text: string): string | undefined {
  if (text.length > HOST_LENGTH_MAX) return undefined;
  if (text.startsWith("[") && text.endsWith("]")) {
    const address = text.slice(1, -1);
    return IPV6.test(address) ? address : undefined;
  }
  return NAME.test(text) ? text : undefined;
}

function parsePort(text: string): number | undefined {
  if (!/^(?:0|[1-9][0-9]{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port <= PORT_MAX ? port : undefined;
}
