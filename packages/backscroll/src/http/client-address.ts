import { isIP, isIPv4 } from "node:net";

/** Where a connection comes from, as `@hono/node-server` tells it beside the request. */
export interface ConnectionInfo {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string | undefined } };
}

/**
 * The address that a request is counted by: of whoever connected or, behind proxies of one's own, the one that is so
 * many from the end of `x-forwarded-for`; what stands before it anybody may have written. IPv6 by its /64, which is
 * one customer's.
 *
 * @param trustProxy how many proxies there are
 * @returns null when nobody tells
 */
export function clientAddress(
  headers: Headers,
  connection: ConnectionInfo | undefined,
  trustProxy: number,
): string | null {
  const forwarded = trustProxy === 0 ? null : addressIn(headers.get("x-forwarded-for")?.split(",").at(-trustProxy));
  const address = forwarded ?? addressIn(connection?.incoming?.socket?.remoteAddress);
  return address === null ? null : networkOf(address);
}

/** Some proxies add the port. @returns null for what is no address */
function addressIn(text: string | undefined): string | null {
  const trimmed = text?.trim() ?? "";
  if (isIP(trimmed) !== 0) return trimmed;
  const [, inBrackets, beforePort] = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d+)?$/.exec(trimmed) ?? [];
  const address = inBrackets ?? beforePort ?? "";
  return isIP(address) === 0 ? null : address;
}

function networkOf(address: string): string {
  if (isIPv4(address)) return address;
  const groups = toGroups(address);
  // An IPv4 address in the clothes of the other (RFC 4291, 2.5.5.2), as a socket for both shows it.
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 0xff])
      .join(".");
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(":")}::/64`;
}

/** @returns the eight numbers of an IPv6 address */
function toGroups(address: string): readonly number[] {
  const [before = "", after] = address.replace(/%.*$/, "").split("::");
  const [head, tail] = [parseGroups(before), parseGroups(after ?? "")];
  const absent = after === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...Array.from({ length: absent }, () => 0), ...tail];
}

function parseGroups(text: string): readonly number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
