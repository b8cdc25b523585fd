/** @param host a name or an address; IPv6 with or without brackets @returns whether only this machine can reach it */
export function isLoopback(host: string): boolean {
  const bare = host.replaceAll(/[[\]]/g, "");
  return bare === "localhost" || bare === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare);
}
