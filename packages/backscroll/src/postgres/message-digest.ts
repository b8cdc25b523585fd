/** How many messages, and a sum of what each of them says: the same in any order. */
export interface MessageDigest {
  readonly messages: number;
  readonly sum: string;
}

export const NO_MESSAGES: MessageDigest = { messages: 0, sum: "0" };

/**
 * One message's share of the sum, a bigint, from expressions of type text; null stands for itself. The digests of two
 * databases are compared, so it names nothing that is set differently in each.
 */
export function messageHash(fields: {
  readonly id: string;
  readonly role: string;
  readonly content: string;
  readonly tokensUsed: string;
  readonly latencyMs: string;
}): string {
  const { id, role, content, tokensUsed, latencyMs } = fields;
  const text = [id, role, `coalesce(${tokensUsed}, '-')`, `coalesce(${latencyMs}, '-')`, `md5(${content})`].join(
    " || ' ' || ",
  );
  return `('x' || left(md5(${text}), 16))::bit(64)::bigint`;
}
