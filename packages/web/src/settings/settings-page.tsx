import type { ReactNode } from "react";
import { PageHeader } from "../shell/page-header.tsx";

export function SettingsPage(): ReactNode {
  return (
    <PageHeader>
      <h1 className="text-15 font-medium">Settings</h1>
    </PageHeader>
  );
}
