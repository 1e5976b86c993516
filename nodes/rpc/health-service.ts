/** grpc.health.v1, by hand: a dependency for forty lines would cost more. Whoever asks need not say who it is. */
import { type ServerWritableStream, status } from "@grpc/grpc-js";
import type { HealthHandlers } from "../../proto/gen/grpc/health/v1/Health.ts";
import type { HealthCheckRequest__Output } from "../../proto/gen/grpc/health/v1/HealthCheckRequest.ts";
import type { HealthCheckResponse } from "../../proto/gen/grpc/health/v1/HealthCheckResponse.ts";

type Watcher = ServerWritableStream<HealthCheckRequest__Output, HealthCheckResponse>;

export class Health {
  readonly #services: ReadonlySet<string>;
  readonly #watchers = new Set<Watcher>();
  #isServing = true;

  /** `services`: full names. */
  constructor(services: readonly string[]) {
    // The empty name stands for the server as a whole.
    this.#services = new Set(["", ...services]);
  }

  handlers(): HealthHandlers {
    return {
      Check: (call, respond) => {
        if (this.#services.has(call.request.service)) respond(null, this.#response());
        else respond({ code: status.NOT_FOUND, details: "this server has no such service" });
      },
      Watch: (call) => {
        const isKnown = this.#services.has(call.request.service);
        call.write(isKnown ? this.#response() : { status: "SERVICE_UNKNOWN" });
        if (!this.#isServing) {
          call.end();
          return;
        }
        this.#watchers.add(call);
        call.once("cancelled", () => this.#watchers.delete(call));
      },
    };
  }

  /** From now on this server takes no new work. Tells all who watch and ends their calls. */
  stop(): void {
    this.#isServing = false;
    for (const watcher of this.#watchers) {
      if (this.#services.has(watcher.request.service)) watcher.write(this.#response());
      watcher.end();
    }
    this.#watchers.clear();
  }

  #response(): HealthCheckResponse {
    return { status: this.#isServing ? "SERVING" : "NOT_SERVING" };
  }
}
