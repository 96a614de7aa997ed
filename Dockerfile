# One image per program: docker build --target registry|gateway|node .
# Debian, not Alpine: ONNX Runtime's binaries need glibc.
FROM node:24-bookworm-slim AS base
WORKDIR /sluice
ENV NODE_ENV=production

FROM base AS build
ENV NODE_ENV=development
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY libs libs
COPY migrations migrations
COPY apps apps
RUN npm run build

FROM base AS dependencies
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM base AS runtime
COPY --from=dependencies /sluice/node_modules node_modules
COPY --from=build /sluice/dist dist
COPY package.json openapi.json ./
# The volumes are mounted here; a fresh volume takes over this owner.
RUN mkdir -p /var/lib/sluice && chown node:node /var/lib/sluice
VOLUME /var/lib/sluice
USER node

FROM runtime AS registry
EXPOSE 8081
CMD ["node", "dist/apps/registry/src/main.js"]

FROM runtime AS gateway
EXPOSE 8080 8082
CMD ["node", "--max-semi-space-size=64", "--expose-gc", "dist/apps/gateway/src/main.js"]

FROM runtime AS node
EXPOSE 8090
CMD ["node", "--max-semi-space-size=32", "--no-incremental-marking", "dist/apps/node/src/main.js"]
