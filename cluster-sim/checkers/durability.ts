/**
 * Holds I4 (one dot, one content, on every disk) and the order law beneath I3: an op is on the disk of its origin
 * before anybody else holds it, and before the client who wrote it hears of it. That what was acknowledged is not lost
 * later is the oracle fold's to show: see `convergence.ts`. Of I18 that no start of an origin is said twice, and none
 * before it is durable; of I19 that the timestamps of an origin only rise, and stay near its own clock. And of I9 and
 * I12 that a blob's bytes are durable, and are its own, before its name is.
 *
 * Issue 4 completes it with torn and lost writes of the disk (scenarios 31 to 39); losing whole regions (I14) comes with write concerns.
 */
import { parseCausalToken } from "../../shared/causal-token.ts";
import type { Digest } from "../../shared/digest.ts";
import { wallMsOf } from "../../shared/hlc.ts";
import { CLOCK_AHEAD_MS_MAX } from "../../shared/limits.ts";
import type { RegisterKey, RegisterValue } from "../../shared/register.ts";
import type { NodeHost, Started } from "../node-host.ts";
import { keyNameOf, nameOf, type Oracle, type Written } from "../oracle.ts";
import type { Findings } from "./findings.ts";

/** What a client was told is written. */
export type Acknowledged = {
  readonly host: { readonly name: string };
  readonly key: RegisterKey;
  readonly value: RegisterValue;
  readonly token: string | undefined;
};

export class Durability {
  readonly #oracle: Oracle;
  readonly #findings: Findings;
  readonly #latest = new Map<string, bigint>();
  readonly #boots = new Map<string, number>();

  constructor(oracle: Oracle, findings: Findings) {
    this.#oracle = oracle;
    this.#findings = findings;
  }

  /** An op lies in the log on `holder`'s disk. */
  durable(op: Uint8Array, holder: NodeHost): void {
    const { dot, isNew, isSame } = this.#oracle.learn(op);
    this.#findings.expect(isSame, "I4 dot uniqueness", () => `${nameOf(dot)} has two contents, seen at ${holder.name}`);
    const origin = holder.node?.self.origin;
    this.#findings.expect(
      !isNew || origin === undefined || origin === dot.origin,
      "I3 no lost acknowledged op",
      () => `${holder.name} holds ${nameOf(dot)}, which is not durable at its origin`,
    );
    const hlc = isNew ? this.#oracle.at(dot)?.version.hlc : undefined;
    if (hlc === undefined) return;
    const latest = this.#latest.get(dot.origin) ?? -1n;
    this.#findings.expect(hlc > latest, "I19 clock", () => `${nameOf(dot)} is older than the op before it`);
    this.#latest.set(dot.origin, hlc);
    // Time that a peer tells is taken over only as far as the own clock makes it likely.
    const aheadMs = origin === dot.origin ? wallMsOf(hlc) - holder.clock.latestMs : 0;
    this.#findings.expect(
      aheadMs <= CLOCK_AHEAD_MS_MAX,
      "I19 clock",
      () => `${holder.name} wrote ${nameOf(dot)} ${aheadMs} ms ahead of all that its clock has ever shown`,
    );
  }

  /** Ops are lost with the only disk that held them: their numbers may be given again. */
  lost(): void {
    this.#latest.clear();
    for (const { version } of this.#oracle.all()) {
      const latest = this.#latest.get(version.dot.origin) ?? -1n;
      if (version.hlc > latest) this.#latest.set(version.dot.origin, version.hlc);
    }
  }

  /** The directory was put back or copied: what it says of its starts it may have said before. */
  repeated(origin: string): void {
    this.#boots.delete(origin);
  }

  /** Bytes are durable before anything names them, and they are the right ones. `kept`: the digest of what the disk has. */
  named(blob: Digest, kept: Digest | undefined, holder: NodeHost): void {
    const isAbsent = (): string => `${holder.name} says that ${blob} is durable, and its disk does not have it`;
    this.#findings.expect(kept !== undefined, "I9 visibility closure", isAbsent);
    const isOther = (): string => `${holder.name} keeps ${kept} under the name of ${blob}`;
    this.#findings.expect(kept === undefined || kept === blob, "I12 blob integrity", isOther);
  }

  /** A process begins to answer. Others tell its lives apart by the counter, so none may be said twice. */
  started({ holder, origin, boot, durableBoot }: Started): void {
    this.#findings.expect(
      boot > (this.#boots.get(origin) ?? 0),
      "I18 identity",
      () => `${holder.name} starts as boot ${boot} of ${origin}, which was started before`,
    );
    this.#findings.expect(
      boot <= durableBoot,
      "I18 identity",
      () => `${holder.name} says boot ${boot}, and its disk holds ${durableBoot}`,
    );
    this.#boots.set(origin, Math.max(boot, this.#boots.get(origin) ?? 0));
  }

  /** The op behind an acknowledgement, which must be durable by now. */
  acknowledged({ host, key, value, token }: Acknowledged): Written | undefined {
    const seen = new Map((token === undefined ? [] : parseCausalToken(token)).map(({ origin, seq }) => [origin, seq]));
    const isNamed = ({ version: { dot } }: Written): boolean => seen.get(dot.origin) === dot.seq;
    const written = this.#oracle
      .writesTo(key)
      .filter(
        ({ version }) => sameValue(version.value, value) && version.dot.seq <= (seen.get(version.dot.origin) ?? 0),
      )
      // A history is judged when all ops are known, in whatever order they were learnt. The token may name another
      // origin for another register that was written; numbers of two origins say nothing about each other.
      .toSorted((left, right) => {
        if (isNamed(left) !== isNamed(right)) return isNamed(left) ? 1 : -1;
        return left.version.dot.seq - right.version.dot.seq;
      })
      .at(-1);
    this.#findings.expect(
      written !== undefined,
      "I3 no lost acknowledged op",
      () => `${host.name} acknowledged ${keyNameOf(key)} ${value.kind}, and no such op is durable`,
    );
    return written;
  }
}

function sameValue(left: RegisterValue, right: RegisterValue): boolean {
  if (left.kind === "tag") return right.kind === "tag" && left.digest === right.digest;
  return left.kind === right.kind;
}
