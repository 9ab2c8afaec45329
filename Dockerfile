# The demo and the simulated tenant. The build stage has all dependencies; the run stages have production dependencies and run without root.
FROM node:20-bookworm-slim AS build
WORKDIR /src
RUN npm install --global pnpm@12.21.0
COPY . .
RUN pnpm install --frozen-lockfile \
 && pnpm build \
 && pnpm --filter demo deploy --prod --legacy /out/demo \
 && pnpm --filter qlik-tenant-simulator deploy --prod --legacy /out/simulator

FROM node:20-bookworm-slim AS simulator
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build --chown=node:node /out/simulator .
USER node
EXPOSE 4000
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://localhost:4000/.well-known/oauth-authorization-server').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/cli.js", "--port", "4000", "--host", "0.0.0.0"]

FROM node:20-bookworm-slim AS demo
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build --chown=node:node /out/demo .
USER node
EXPOSE 3000
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://localhost:' + (process.env.PORT || 3000) + '/healthz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/start.js"]
