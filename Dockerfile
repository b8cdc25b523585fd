# The service with its web app, for a PostgreSQL of yours: docs/deploy.md. `test/image.test.ts` carries out these steps
# without Docker, so a RUN names no absolute path.

# The Node.js that everything is tested on: the devDependency `node`. A release pins the digest, too.
FROM --platform=$BUILDPLATFORM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages/backscroll/package.json packages/backscroll/
COPY packages/client/package.json packages/client/
COPY packages/web/package.json packages/web/
RUN npm ci --no-audit --no-fund
COPY tsconfig.base.json LICENSE README.md ./
COPY scripts scripts/
COPY packages packages/
# A checkout made under a narrow umask would be closed to the image's user.
RUN npm run build && chmod -R a+rX packages/backscroll

FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages/backscroll/package.json packages/backscroll/
COPY packages/client/package.json packages/client/
COPY packages/web/package.json packages/web/
# What is optional is the embedded PostgreSQL.
RUN npm ci --no-audit --no-fund --omit=dev --omit=optional --workspace=backscroll --include-workspace-root=false \
  && rm node_modules/backscroll-client \
  && ln -s ../../packages/backscroll/dist/cli/bin.js node_modules/.bin/backscroll

FROM node:24.21.0-bookworm-slim
LABEL org.opencontainers.image.title="Backscroll" \
  org.opencontainers.image.description="Durable conversation history for AI chat applications" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="0.1.0"
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules/
COPY --from=build /app/packages/backscroll/package.json /app/packages/backscroll/LICENSE packages/backscroll/
COPY --from=build /app/packages/backscroll/lua packages/backscroll/lua/
COPY --from=build /app/packages/backscroll/migrations packages/backscroll/migrations/
COPY --from=build /app/packages/backscroll/dist packages/backscroll/dist/
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4100 PATH=/app/node_modules/.bin:$PATH
# By number: Kubernetes cannot tell whether a name is root. It writes nothing: a read-only root is fine.
USER 1000:1000
EXPOSE 4100
STOPSIGNAL SIGTERM
# Whether the process lives. Whether PostgreSQL answers is /readyz: a restart would not mend that.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# The service is the container's first process and handles SIGTERM by itself.
ENTRYPOINT ["backscroll"]
