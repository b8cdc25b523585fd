/** Who somebody is: two issuers may know the same address as different people. */
export interface Identity {
  readonly issuer: string;
  readonly subject: string;
  readonly email: string | null;
}

/** Somebody, as the library's callers name them: an email address, or what their issuer calls them. */
export type UserName = string | Identity;

/** The guide's case: an address is its own subject. */
export const LOCAL_ISSUER = "local";

export function toIdentity(user: UserName): Identity {
  return typeof user === "string" ? { issuer: LOCAL_ISSUER, subject: user, email: user } : user;
}
