import { LRUCache } from "lru-cache";

/** What has to stay the same for a cached conversation to be trusted. */
export interface Epoch {
  /** of the cache's server that holds the conversation */
  readonly incarnation: object;
  /** since when no announcement of another server was missed */
  readonly listening: object;
}

interface Checked extends Epoch {
  auditAt: number;
}

/**
 * Which cached conversations this server knows to be right: compared with PostgreSQL, or filled from it, since the
 * cache's server was last reconnected to and the other servers last went unheard. Bounded; what falls out is checked
 * again.
 */
export class Trust {
  readonly #checked: LRUCache<string, Checked>;
  readonly #auditIntervalMs: number;

  constructor({ max, auditIntervalMs }: { max: number; auditIntervalMs: number }) {
    this.#checked = new LRUCache({ max });
    this.#auditIntervalMs = auditIntervalMs;
  }

  /** @returns `due`: trusted, and to be compared again, beside the answer; at most once an interval */
  judge(key: string, { incarnation, listening }: Epoch): "trusted" | "due" | "unknown" {
    const checked = this.#checked.get(key);
    if (!checked || checked.incarnation !== incarnation || checked.listening !== listening) return "unknown";
    if (performance.now() < checked.auditAt) return "trusted";
    checked.auditAt = this.#nextAudit();
    return "due";
  }

  /** @param epoch as it was before the comparison, or before the lease of what was filled */
  record(key: string, { incarnation, listening }: Epoch): void {
    this.#checked.set(key, { incarnation, listening, auditAt: this.#nextAudit() });
  }

  /** Jittered: servers that began together do not audit together. */
  #nextAudit(): number {
    return performance.now() + this.#auditIntervalMs * (0.75 + Math.random() / 4);
  }
}
