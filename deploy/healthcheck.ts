/** For the image's HEALTHCHECK, which has no shell and no curl: exits 0 when the node says it is ready. */
const port = (process.env["MERIDIAN_LISTEN_OPS"] ?? "127.0.0.1:9000").split(":").at(-1) ?? "9000";
const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) });
process.exitCode = response.ok ? 0 : 1;
