import { codeOf } from "../../platform/system-error.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";

/** The image at `where` cannot be used as it is. */
export function damaged(where: string, what: string, cause?: unknown): CliError {
  return new CliError({
    exitCode: EXIT.failed,
    what,
    where,
    hint: "write the image out again with the tool it came from; this copy cannot be trusted",
    cause,
  });
}

/** What the operating system said of `path`, as something a person can act on; anything else is passed on as it is. */
export function fileFailure(cause: unknown, path: string): unknown {
  switch (codeOf(cause)) {
    case "ENOENT":
      return new CliError({
        exitCode: EXIT.notFound,
        what: "no such file or folder",
        where: path,
        hint: "check the path",
        cause,
      });
    case "EACCES":
    case "EPERM":
      return new CliError({
        exitCode: EXIT.denied,
        what: "not allowed to open it",
        where: path,
        hint: "check the owner and mode",
        cause,
      });
    case "ENOTDIR":
      return new CliError({
        exitCode: EXIT.failed,
        what: "a part of the path is no folder",
        where: path,
        hint: "check the path",
        cause,
      });
    case "EISDIR":
      return new CliError({
        exitCode: EXIT.failed,
        what: "a folder, not a file",
        where: path,
        hint: "for a folder write oci:DIR",
        cause,
      });
    case "ELOOP":
      return damaged(path, "a symbolic link, which an image may not hold", cause);
    case "ENOSPC":
      return new CliError({
        exitCode: EXIT.failed,
        what: "the disk is full",
        where: path,
        hint: "free some space and try again",
        cause,
      });
    default:
      return cause;
  }
}
