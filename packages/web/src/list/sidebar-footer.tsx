import { Activity, LogOut, Settings } from "lucide-react";
import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { useConnection } from "../server/connection.ts";
import { logOut } from "../server/log-out.ts";
import { useMe } from "../server/me.ts";
import { useReady } from "../server/ready.ts";
import { IconButton } from "../ui/button.tsx";
import { classNames } from "../ui/class-names.ts";

/** Where else one can go, and whether the service can be reached. */
export function SidebarFooter({ isDrawer }: { readonly isDrawer: boolean }): ReactNode {
  const { data: me } = useMe();
  return (
    <div className="shrink-0 border-t border-line px-2 pt-2 pb-2">
      <div className="flex items-center gap-1">
        <FooterLink href="/settings" isDrawer={isDrawer} icon={<Settings size={16} aria-hidden />} label="Settings" />
        {me?.is_admin === true && (
          <FooterLink href="/operator" isDrawer={isDrawer} icon={<Activity size={16} aria-hidden />} label="Operator" />
        )}
        {me?.logged_in === true && (
          <IconButton label="Log out" onClick={() => void logOut()} className="ms-auto">
            <LogOut size={16} aria-hidden />
          </IconButton>
        )}
      </div>
      <ConnectionState isAdmin={me?.is_admin === true} />
    </div>
  );
}

interface FooterLinkProps {
  readonly href: string;
  readonly isDrawer: boolean;
  readonly icon: ReactNode;
  readonly label: string;
}

function FooterLink({ href, isDrawer, icon, label }: FooterLinkProps): ReactNode {
  const [location] = useLocation();
  const isCurrent = location === href;
  return (
    <Link
      href={href}
      replace={isDrawer}
      aria-current={isCurrent ? "page" : undefined}
      className={classNames(
        "flex items-center gap-2 rounded-m px-3 py-1.5 text-14 leading-5 -outline-offset-2 hover:bg-soft pointer-coarse:min-h-11",
        isCurrent && "bg-soft font-medium",
      )}
    >
      {icon}
      {label}
    </Link>
  );
}

function ConnectionState({ isAdmin }: { readonly isAdmin: boolean }): ReactNode {
  const connection = useConnection();
  const { data: ready } = useReady({ enabled: isAdmin && connection === "online" });
  const [colour, words] =
    connection === "offline"
      ? ["bg-err", "Offline"]
      : ready?.status === "degraded"
        ? ["bg-warn", "Redis unavailable: slower, nothing lost"]
        : ["bg-ok", "Connected"];
  return (
    <p className="flex items-center gap-2 px-3 pt-1.5 pb-0.5 text-12 text-ink2">
      <span aria-hidden className={`size-2 shrink-0 rounded-full ${colour}`} />
      {words}
    </p>
  );
}
