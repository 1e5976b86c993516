/** What a server's refusal means to whoever typed the command. */
import { isJsonArray, isJsonObject, type JsonObject, parseJson } from "../../../shared/json.ts";
import { MANIFEST_JSON_DEPTH_MAX } from "../../../shared/limits.ts";
import { CliError, EXIT, type ExitCode } from "../terminal/cli-error.ts";
import { safeText } from "../terminal/table.ts";
import type { Answer, Request } from "./http-exchange.ts";

const ERROR_BYTES_MAX = 256 * 1024;

type Told = { readonly code: string | undefined; readonly message: string; readonly detail: unknown };

/** Reads the body of `answer`, which is a refusal. */
export async function failureOf(request: Request, answer: Answer): Promise<CliError> {
  const told = await readRefusal(answer);
  const { exitCode, hint } = meaningOf(answer.status, request, told);
  return new CliError({
    exitCode,
    what: safeText(told.code === undefined ? told.message : `${told.message} (${told.code})`),
    where: `${request.method} ${request.url.href}`,
    hint,
  });
}

async function readRefusal(answer: Answer): Promise<Told> {
  const { host } = answer.url;
  const message = answer.status === 404 ? `${host} does not know it` : `${host} answers ${answer.status}`;
  const fallback = { code: undefined, message, detail: undefined };
  try {
    const document = parseJson(await answer.bytes(ERROR_BYTES_MAX), MANIFEST_JSON_DEPTH_MAX);
    const first = isJsonObject(document) && isJsonArray(document["errors"]) ? document["errors"][0] : undefined;
    return isJsonObject(first) ? toldBy(first, fallback.message) : fallback;
  } catch {
    // A HEAD has no body and a proxy answers in HTML: the status alone has to do.
    return fallback;
  }
}

function toldBy(error: JsonObject, fallback: string): Told {
  const { code, message, detail } = error;
  return {
    code: typeof code === "string" ? code : undefined,
    message: typeof message === "string" && message !== "" ? message : fallback,
    detail,
  };
}

function meaningOf(
  status: number,
  request: Request,
  { detail }: Told,
): { readonly exitCode: ExitCode; readonly hint: string } {
  const { host } = request.url;
  switch (status) {
    case 401:
      return { exitCode: EXIT.denied, hint: `${host} asks who you are, and this version cannot log in` };
    case 403:
      return { exitCode: EXIT.denied, hint: `ask whoever runs ${host} for access` };
    case 404:
      return { exitCode: EXIT.notFound, hint: hintFor404(request) };
    case 405:
      return { exitCode: EXIT.denied, hint: `${host} has this switched off` };
    case 409:
    case 412:
      return { exitCode: EXIT.conflict, hint: "somebody was quicker; look at the present state and try again" };
    case 408:
    case 504:
      return { exitCode: EXIT.timedOut, hint: "try again" };
    case 429:
      return { exitCode: EXIT.failed, hint: `${host} is busy; try again later` };
    case 503:
      return { exitCode: EXIT.unreachable, hint: hintFor503(detail) };
    default:
      return { exitCode: EXIT.failed, hint: `see the log of ${host}` };
  }
}

/** The nearest thing that exists is worth a look: the tags of the repository. */
function hintFor404({ url }: Request): string {
  const [, repo] = /^\/v2\/(.+)\/(?:manifests|blobs|tags)\//.exec(url.pathname) ?? [];
  return repo === undefined ? "check the name" : `see what is there: meridian tags ${url.host}/${repo}`;
}

function hintFor503(detail: unknown): string {
  const holders = isJsonObject(detail) && isJsonArray(detail["holders"]) ? detail["holders"] : [];
  if (holders.length === 0) return "try again when the node is ready; meridian status shows it";
  return safeText(
    `held by ${holders.map(holderName).join(", ")}, which cannot be reached now; meridian lag shows the links`,
  );
}

function holderName(holder: unknown): string {
  if (!isJsonObject(holder)) return String(holder);
  const { node, region } = holder;
  return [node, region].filter((name) => typeof name === "string").join(" in ");
}
