/** The management API of one node. Its answers are checked against the schemas that the node publishes. */

import { parseJson } from "../../../shared/json.ts";
import { MANIFEST_JSON_DEPTH_MAX } from "../../../shared/limits.ts";
import {
  type ApiSchema,
  ClusterSchema,
  type ClusterTold,
  HistorySchema,
  type HistoryTold,
  isAnswer,
  LagSchema,
  type LagTold,
  type MemberChangeAsked,
  MemberChangedSchema,
  type MemberChangedTold,
  type ReleaseAsked,
  ReleasedSchema,
  type ReleasedTold,
  ReplicationSchema,
  type ReplicationTold,
  type Told,
  type VerifyAsked,
  VerifyOutcomeSchema,
  type VerifyOutcomeTold,
  type WaitAsked,
  WaitOutcomeSchema,
  type WaitOutcomeTold,
} from "../../../shared/management-api.ts";
import type { RepositoryName, Tag } from "../../../shared/reference.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import { failureOf } from "./answer-failure.ts";
import type { HttpExchange, Request } from "./http-exchange.ts";

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

export class ManagementClient {
  readonly #base: URL;
  readonly #exchange: HttpExchange;

  /** `base` is scheme, host and port. */
  constructor(base: URL, exchange: HttpExchange) {
    this.#base = base;
    this.#exchange = exchange;
  }

  get host(): string {
    return this.#base.host;
  }

  async cluster(signal: AbortSignal): Promise<ClusterTold> {
    return await this.#ask({ method: "GET", url: this.#url("cluster") }, ClusterSchema, signal);
  }

  async lag(signal: AbortSignal): Promise<LagTold> {
    return await this.#ask({ method: "GET", url: this.#url("cluster/lag") }, LagSchema, signal);
  }

  /** `image` without a host. */
  async replication(image: string, signal: AbortSignal): Promise<ReplicationTold> {
    const url = this.#url(`replication?${new URLSearchParams({ image }).toString()}`);
    return await this.#ask({ method: "GET", url }, ReplicationSchema, signal);
  }

  async wait(asked: WaitAsked, signal: AbortSignal): Promise<WaitOutcomeTold> {
    return await this.#ask(this.#post("wait", asked), WaitOutcomeSchema, signal);
  }

  async changeMember(asked: MemberChangeAsked, signal: AbortSignal): Promise<MemberChangedTold> {
    return await this.#ask(this.#post("members", asked), MemberChangedSchema, signal);
  }

  async verify(asked: VerifyAsked, signal: AbortSignal): Promise<VerifyOutcomeTold> {
    return await this.#ask(this.#post("verify", asked), VerifyOutcomeSchema, signal);
  }

  async release(asked: ReleaseAsked, signal: AbortSignal): Promise<ReleasedTold> {
    return await this.#ask(this.#post("release", asked), ReleasedSchema, signal);
  }

  async history(repo: RepositoryName, tag: Tag, signal: AbortSignal): Promise<HistoryTold> {
    const url = this.#url(`repositories/${repo}/tags/${tag}/history`);
    return await this.#ask({ method: "GET", url }, HistorySchema, signal);
  }

  async #ask<Schema extends ApiSchema>(request: Request, schema: Schema, signal: AbortSignal): Promise<Told<Schema>> {
    const answer = await this.#exchange.send(request, signal);
    if (answer.status !== 200) throw await failureOf(request, answer);
    const value = readJson(await answer.bytes(ANSWER_BYTES_MAX));
    if (isAnswer(schema, value)) return value;
    throw new CliError({
      exitCode: EXIT.failed,
      what: `${request.url.host} answers in words that this version does not know`,
      where: request.url.href,
      hint: "is it a node of Meridian? then use the meridian of its version; curl HOST/ tells",
    });
  }

  #post(rest: string, asked: object): Request {
    const body = { kind: "bytes", bytes: Buffer.from(JSON.stringify(asked)) } as const;
    return { method: "POST", url: this.#url(rest), headers: { "content-type": "application/json" }, body };
  }

  #url(rest: string): URL {
    return new URL(`/api/v1/${rest}`, this.#base);
  }
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes, MANIFEST_JSON_DEPTH_MAX);
  } catch {
    return undefined;
  }
}
