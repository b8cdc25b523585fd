const PROTOCOLS = new Set(["http:", "https:", "mailto:"]);

/** @returns where a link leads, when that is the web or a mailbox; null: it is shown as text */
export function safeHref(href: string): string | null {
  // oxlint-disable-next-line no-control-regex -- browsers take these out of an address, and read on
  if (/[\u0000-\u0020\u007F]/.test(href)) return null;
  const url = URL.parse(href);
  return url !== null && PROTOCOLS.has(url.protocol) ? url.href : null;
}

/** @returns the picture, when it is one that needs no request and can do nothing; null: it is only named */
export function ownPicture(href: string): string | null {
  return /^data:image\/(?:png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/=]+$/.test(href) ? href : null;
}

/** @returns the name of the server an address is of; the address itself when it has none */
export function hostOf(href: string): string {
  return URL.parse(href)?.host || href;
}
