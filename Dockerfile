# The demo and the simulated tenant, on the newest LTS line of Node. Dependencies are layers of their own, made from the
# lock file and the manifests alone: a change to the sources compiles them and installs nothing.
FROM node:24-bookworm-slim AS workspace
RUN npm install --global pnpm@12.21.0
WORKDIR /src
ENV npm_config_verify_deps_before_run=false
COPY .npmrc package.json pnpm-lock.yaml pnpm-workspace.yaml ./
RUN pnpm fetch
COPY apps/demo/package.json apps/demo/
COPY packages/express-qlik-oauth/package.json packages/express-qlik-oauth/
COPY packages/qlik-oauth/package.json packages/qlik-oauth/
COPY packages/qlik-tenant-simulator/package.json packages/qlik-tenant-simulator/
COPY packages/test-support/package.json packages/test-support/

FROM workspace AS installed
RUN pnpm install --offline --frozen-lockfile
COPY tsconfig.base.json ./

FROM installed AS demo-build
COPY packages/qlik-oauth packages/qlik-oauth
RUN pnpm exec tsc --build packages/qlik-oauth
COPY packages/express-qlik-oauth packages/express-qlik-oauth
RUN pnpm exec tsc --build packages/express-qlik-oauth
COPY apps/demo apps/demo
RUN pnpm exec tsc --build apps/demo

FROM installed AS simulator-build
COPY packages/qlik-tenant-simulator packages/qlik-tenant-simulator
RUN pnpm exec tsc --build packages/qlik-tenant-simulator && pnpm --filter qlik-tenant-simulator build:runtime

FROM workspace AS demo-dependencies
RUN rm -r node_modules packages/qlik-tenant-simulator packages/test-support \
 && pnpm install --offline --frozen-lockfile --prod --filter demo...

FROM workspace AS simulator-dependencies
RUN rm -r node_modules apps packages/express-qlik-oauth packages/qlik-oauth packages/test-support \
 && pnpm install --offline --frozen-lockfile --prod --filter qlik-tenant-simulator

# Files belong to root and the process runs as `node`: it cannot change its own code. Both images run with a read-only
# file system and without capabilities.
FROM node:24-bookworm-slim AS run
ENV NODE_ENV=production
WORKDIR /app
# bash costs a hundredth of a Node process, and the image has no curl. Asks for $1 at port $2.
COPY <<'SCRIPT' /usr/local/bin/responds
#!/bin/bash
exec 3<>"/dev/tcp/127.0.0.1/$2" && printf 'GET %s HTTP/1.0\r\nHost: localhost:%s\r\n\r\n' "$1" "$2" >&3
read -r -t 3 _ status _ <&3 && [ "$status" = 200 ]
SCRIPT
RUN chmod 755 /usr/local/bin/responds
USER node

FROM run AS simulator
COPY --from=simulator-dependencies /src ./
COPY --from=simulator-build /src/packages/qlik-tenant-simulator/data packages/qlik-tenant-simulator/data
COPY --from=simulator-build /src/packages/qlik-tenant-simulator/dist packages/qlik-tenant-simulator/dist
EXPOSE 4000
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s --start-interval=500ms \
  CMD ["responds", "/.well-known/oauth-authorization-server", "4000"]
ENTRYPOINT ["node", "packages/qlik-tenant-simulator/dist/cli.js"]
CMD ["--port", "4000", "--host", "0.0.0.0"]

FROM run AS demo
COPY --from=demo-dependencies /src ./
COPY --from=demo-build /src/packages/qlik-oauth/dist packages/qlik-oauth/dist
COPY --from=demo-build /src/packages/express-qlik-oauth/dist packages/express-qlik-oauth/dist
COPY --from=demo-build /src/apps/demo/public apps/demo/public
COPY --from=demo-build /src/apps/demo/views apps/demo/views
COPY --from=demo-build /src/apps/demo/dist apps/demo/dist
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s --start-interval=500ms \
  CMD responds /healthz "${PORT:-3000}"
CMD ["node", "apps/demo/dist/start.js"]
