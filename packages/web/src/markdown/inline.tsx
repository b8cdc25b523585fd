import { ImageIcon } from "lucide-react";
import type { Token, Tokens } from "marked";
import { Fragment, type ReactNode } from "react";
import { decodeEntities } from "./entities.ts";
import { hostOf, ownPicture, safeHref } from "./links.ts";
import { Maths } from "./maths.tsx";

const LINK = "text-accent underline underline-offset-2 wrap-anywhere";

/** What is in a line of text. */
export function Inline({ tokens }: { readonly tokens: readonly Token[] | undefined }): ReactNode {
  return tokens?.map((token, at) => <Fragment key={at}>{inline(token)}</Fragment>);
}

function inline(token: Token): ReactNode {
  switch (token.type) {
    case "text":
      return token["tokens"] === undefined ? (
        decodeEntities(token["text"] as string)
      ) : (
        <Inline tokens={token["tokens"]} />
      );
    case "escape":
      return token["text"] as string;
    case "strong":
      return (
        <strong className="font-semibold">
          <Inline tokens={token["tokens"]} />
        </strong>
      );
    case "em":
      return (
        <em>
          <Inline tokens={token["tokens"]} />
        </em>
      );
    case "del":
      return (
        <del>
          <Inline tokens={token["tokens"]} />
        </del>
      );
    case "codespan":
      return (
        <code className="rounded-s border border-line bg-code px-1 py-px font-mono text-13 wrap-anywhere">
          {token["text"]}
        </code>
      );
    case "br":
      return <br />;
    case "maths":
    case "mathsBlock":
      return <Maths tex={token["tex"] as string} isBlock={token.raw.startsWith("$$") || token.raw.startsWith("\\[")} />;
    case "link":
      return <Link link={token as Tokens.Link} />;
    case "image":
      return <Picture image={token as Tokens.Image} />;
    case "html":
      return /^<br *\/?>$/i.test(token.raw) ? <br /> : token.raw;
    default:
      return token.raw;
  }
}

function Link({ link }: { readonly link: Tokens.Link }): ReactNode {
  const href = safeHref(link.href);
  if (href === null) return link.raw;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer" title={link.title ?? undefined} className={LINK}>
      <Inline tokens={link.tokens} />
    </a>
  );
}

/** Nothing is loaded from elsewhere by itself: a picture there is a link to it. */
function Picture({ image: { href, text, raw } }: { readonly image: Tokens.Image }): ReactNode {
  const own = ownPicture(href);
  if (own !== null) return <img src={own} alt={text} className="my-2 inline-block h-auto max-w-full rounded-m" />;
  const address = safeHref(href);
  if (address === null) return raw;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer" className={LINK}>
      <ImageIcon size={15} aria-hidden className="me-1 inline-block align-[-2px]" />
      Image: {text === "" ? hostOf(address) : `${decodeEntities(text)} (${hostOf(address)})`}
    </a>
  );
}
