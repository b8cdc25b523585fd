import tailwindcss from "@tailwindcss/vite";
import { defaultClientConditions, defineConfig, type Plugin } from "vite";

/** Every browser that runs the app reads woff2: the other formats of the formulas' fonts are left out. */
const ONE_FONT_FORMAT: Plugin = {
  name: "one-font-format",
  enforce: "pre",
  transform: (code, id) =>
    id.includes("katex.min.css") ? code.replaceAll(/,url\([^)]+\) format\("(?:woff|truetype)"\)/g, "") : null,
};

export default defineConfig({
  plugins: [ONE_FONT_FORMAT, tailwindcss()],
  resolve: { conditions: ["backscroll-source", ...defaultClientConditions] },
  oxc: { jsx: { runtime: "automatic" } },
  // Small files inlined as data: would be refused by the service's content security policy, images aside.
  build: {
    target: "es2024",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      onwarn(warning, warn) {
        // "use client" is for servers that render; this is the client.
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
  worker: { format: "es" },
  // `npm run dev -w backscroll-web`, beside a service on its usual port.
  server: { proxy: { "/api": "http://127.0.0.1:4100", "/readyz": "http://127.0.0.1:4100" } },
});
