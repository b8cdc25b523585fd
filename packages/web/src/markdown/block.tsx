import { CheckSquare, Square } from "lucide-react";
import type { Token, Tokens } from "marked";
import { memo, type ReactNode } from "react";
import { classNames } from "../ui/class-names.ts";
import { CodeBlock } from "./code-block.tsx";
import { Inline } from "./inline.tsx";
import { Maths } from "./maths.tsx";

/** The space between two blocks belongs to the second one. */
const GAP = "mt-3 first:mt-0";
const HEADINGS = ["", "text-20 mt-6", "text-16 mt-5", "text-15 mt-4", "text-15 mt-4", "text-14 mt-4", "text-14 mt-4"];

interface BlockViewProps {
  readonly token: Token;
  /** of a heading in the page's outline */
  readonly level: number;
  /** it is still being written */
  readonly isOpen: boolean;
}

/** A block, rendered again when its own text changes. */
export const BlockView = memo(
  function BlockView({ token, level, isOpen }: BlockViewProps): ReactNode {
    switch (token.type) {
      case "space":
      case "def":
        return null;
      case "paragraph":
      case "text":
        return (
          <p className={classNames(GAP, "wrap-anywhere whitespace-pre-line")}>
            <Inline tokens={token["tokens"] ?? [token]} />
          </p>
        );
      case "heading":
        return <Heading heading={token as Tokens.Heading} level={level} />;
      case "code":
        return (
          <div className={GAP}>
            <CodeBlock code={token["text"] as string} language={token["lang"] as string | undefined} isOpen={isOpen} />
          </div>
        );
      case "blockquote":
        return (
          <blockquote className={classNames(GAP, "border-s-2 border-control ps-4 text-ink2")}>
            <Blocks tokens={token["tokens"]} isOpen={isOpen} />
          </blockquote>
        );
      case "list":
        return <List list={token as Tokens.List} isOpen={isOpen} />;
      case "table":
        return <Table table={token as Tokens.Table} />;
      case "hr":
        return <hr className="my-5 border-line" />;
      case "mathsBlock":
        return (
          <div className={GAP}>
            <Maths tex={token["tex"] as string} isBlock />
          </div>
        );
      default:
        // HTML, and what is nested too deep: as it was written.
        return <p className={classNames(GAP, "wrap-anywhere whitespace-pre-wrap")}>{token.raw.replace(/\n+$/, "")}</p>;
    }
  },
  (before, now) =>
    before.token === now.token ||
    (before.token.raw === now.token.raw &&
      before.token.type === now.token.type &&
      before.isOpen === now.isOpen &&
      before.level === now.level &&
      !maybeRefers(now.token.raw)),
);

/** Whether something in it may be a link whose address stands elsewhere, and be known only now. */
function maybeRefers(raw: string): boolean {
  return raw.includes("]");
}

function Blocks({
  tokens,
  isOpen,
}: {
  readonly tokens: readonly Token[] | undefined;
  readonly isOpen: boolean;
}): ReactNode {
  return tokens?.map((token, at) => (
    <BlockView key={at} token={token} level={6} isOpen={isOpen && at === tokens.length - 1} />
  ));
}

function Heading({ heading, level }: { readonly heading: Tokens.Heading; readonly level: number }): ReactNode {
  const Tag = `h${level}` as "h2" | "h3" | "h4" | "h5" | "h6";
  return (
    <Tag className={classNames(HEADINGS[heading.depth], "leading-snug font-semibold wrap-anywhere first:mt-0")}>
      <Inline tokens={heading.tokens} />
    </Tag>
  );
}

function List({ list, isOpen }: { readonly list: Tokens.List; readonly isOpen: boolean }): ReactNode {
  const items = list.items.map((item, at) => (
    <li key={at} className={classNames(list.loose ? "mt-2 first:mt-0" : "mt-1 first:mt-0", item.task && "list-none")}>
      <Item item={item} isOpen={isOpen && at === list.items.length - 1} />
    </li>
  ));
  const className = classNames(GAP, "ps-6 marker:text-ink2");
  if (!list.ordered) return <ul className={classNames(className, "list-disc")}>{items}</ul>;
  return (
    <ol start={Number(list.start)} className={classNames(className, "list-decimal")}>
      {items}
    </ol>
  );
}

function Item({ item, isOpen }: { readonly item: Tokens.ListItem; readonly isOpen: boolean }): ReactNode {
  return item.tokens.map((token, at) => {
    if (token.type === "checkbox") return <Task key={at} isDone={token["checked"] === true} />;
    // The line of a tight list's item is no paragraph.
    if (token.type === "text") {
      return (
        <span key={at} className="wrap-anywhere whitespace-pre-line">
          <Inline tokens={token["tokens"] ?? [token]} />
        </span>
      );
    }
    return <BlockView key={at} token={token} level={6} isOpen={isOpen && at === item.tokens.length - 1} />;
  });
}

function Task({ isDone }: { readonly isDone: boolean }): ReactNode {
  const Icon = isDone ? CheckSquare : Square;
  return (
    <>
      <Icon size={15} aria-hidden className="-ms-5.5 me-1.5 inline-block align-[-2px] text-ink2" />
      <span className="sr-only">{isDone ? "Done:" : "To do:"} </span>
    </>
  );
}

function Table({ table }: { readonly table: Tokens.Table }): ReactNode {
  return (
    // Wider than the page, it scrolls by itself; a keyboard has to reach it for that.
    <div
      tabIndex={0}
      role="group"
      aria-label="Table"
      className={classNames(GAP, "overflow-x-auto rounded-m border border-line")}
    >
      <table className="w-full border-collapse text-14">
        <thead className="bg-panel">
          <tr>
            {table.header.map((cell, at) => (
              <th key={at} scope="col" className={classNames("px-3 py-2 font-semibold", aligned(cell.align))}>
                <Inline tokens={cell.tokens} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, at) => (
            <tr key={at} className="border-t border-line">
              {row.map((cell, column) => (
                <td key={column} className={classNames("min-w-24 px-3 py-2 align-top", aligned(cell.align))}>
                  <Inline tokens={cell.tokens} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function aligned(align: Tokens.TableCell["align"]): string {
  return align === "center" ? "text-center" : align === "right" ? "text-end" : "text-start";
}
