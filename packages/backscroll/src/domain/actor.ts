/** Who is answerable for a deed: the person whose history it is, or whoever acts for them. */
export interface Actor {
  readonly userId: number;
  /** the API key that was used; null: none */
  readonly keyId: string | null;
}
