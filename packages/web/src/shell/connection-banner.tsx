import type { ReactNode } from "react";
import { useConnection } from "../server/connection.ts";

export function ConnectionBanner(): ReactNode {
  const connection = useConnection();
  if (connection === "online") return null;
  return (
    <div role="alert" className="bg-mark px-4 py-1.5 text-center text-13 text-on-mark">
      Offline: the server cannot be reached. What is on the page stays readable; sending waits.
    </div>
  );
}
