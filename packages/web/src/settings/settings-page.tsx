import type { ReactNode } from "react";
import { PageHeader } from "../shell/page-header.tsx";
import { useDocumentTitle } from "../ui/use-document-title.ts";
import { Account } from "./account.tsx";
import { Appearance } from "./appearance.tsx";
import { Archive } from "./archive.tsx";
import { Data } from "./data.tsx";
import { Trash } from "./trash.tsx";
import { useHash } from "./use-hash.ts";

export function SettingsPage(): ReactNode {
  useDocumentTitle("Settings");
  useHash();
  return (
    <div className="flex h-full flex-col">
      <PageHeader>
        <h1 className="text-15 font-medium">Settings</h1>
      </PageHeader>
      <div className="min-h-0 flex-1 overflow-y-auto p-4">
        <div className="mx-auto grid max-w-160 grid-cols-[minmax(0,1fr)] gap-8 pb-16">
          <Appearance />
          <Data />
          <Archive />
          <Trash />
          <Account />
        </div>
      </div>
    </div>
  );
}
