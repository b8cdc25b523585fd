import { useEffect, useState } from "react";
import { startOfDay } from "./groups.ts";

const LOOK_EVERY_MS = 60_000;

/** @returns when today began; what shows it is rendered again once that is yesterday */
export function useToday(): Date {
  const [today, setToday] = useState(() => startOfDay(new Date()));
  useEffect(() => {
    // A timer until midnight would sleep with the machine.
    const timer = setInterval(() => {
      setToday((before) => {
        const now = startOfDay(new Date());
        return now.getTime() === before.getTime() ? before : now;
      });
    }, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return today;
}
