#!/bin/sh
# Writes the secrets that docker-compose.yml needs: sh deploy/make-env.sh > .env && chmod 600 .env
set -eu

secret() {
  head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n'
}

cat <<EOF
POSTGRES_PASSWORD=$(secret)
SLUICE_ADMIN_CLIENT_SECRET=$(secret)
SLUICE_ADMIN_PASSWORD=$(secret)
SLUICE_NODE_JOIN_TOKEN=$(secret)
SLUICE_GATEWAY_JOIN_TOKEN=$(secret)
SLUICE_MASTER_KEY=$(secret)
EOF
