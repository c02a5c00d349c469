# The server: the one binary `parley`, whose command says which role it has (docker-compose.yml runs gateway, persister and migrate from this image).
# NGINX with the web app is nginx/Dockerfile. Both are built from this folder.

FROM rust:1.95-bookworm AS build
# The image has a C compiler and make; librdkafka also asks for these.
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Built dependencies stay in the cache mounts, so a change of ours compiles ours alone. Ours always: Cargo goes by the files' times, and a checkout's may be
# older than what another one left in the cache. `locked`: two builds would write into one folder. A mount is gone after its step, so the binary is copied.
RUN --mount=type=cache,id=parley-cargo-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=parley-cargo-target,target=/src/target,sharing=locked \
    touch ./*/src/*.rs \
    && cargo build --release --locked --package parley-standalone \
    && install -D target/release/parley /out/parley

FROM debian:bookworm-slim
# OpenSSL is librdkafka's; the authorities are for Kafka, Redis and Postgres over TLS.
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 parley \
    && useradd --uid 10001 --gid parley --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin parley \
    && install -d -o parley -g parley -m 0700 /var/lib/parley
COPY --from=build /out/parley /usr/local/bin/parley
# By number, so that an orchestrator sees that it is not root.
USER 10001:10001
# The one folder that `parley serve` writes to: mount a volume there. The other roles keep nothing.
ENV PARLEY_DATA_DIR=/var/lib/parley
WORKDIR /var/lib/parley
EXPOSE 8080
# Asks the admin listener, which stays on the container's own loopback.
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 CMD ["parley", "healthcheck"]
ENTRYPOINT ["parley"]
CMD ["serve"]
