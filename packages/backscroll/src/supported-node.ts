/** The oldest Node.js that everything here runs on; `engines` in package.json says the same, and npm only warns. */
const [MAJOR, MINOR] = [22, 12];
export const NODE_MIN = `${MAJOR}.${MINOR}`;

/** @returns what to tell whoever runs an older one; null when it is new enough */
export function refusalOf(version: string): string | null {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > MAJOR || (major === MAJOR && minor >= MINOR)) return null;
  return (
    `Backscroll needs Node.js ${NODE_MIN} or later; this is ${version}, in ${process.execPath}. ` +
    "Install a newer one from https://nodejs.org, or with your version manager, e.g. `nvm install --lts`"
  );
}
