# syntax=docker/dockerfile:1

# The version of rust-toolchain.toml, as `make lint` checks. That file stays out of here: it would fetch clippy and rustfmt.
FROM rust:1.95.0-bookworm AS build
WORKDIR /build
COPY . .
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target,id=target-$TARGETARCH \
    --mount=type=cache,target=/build/cache,id=tools-$TARGETARCH \
    XDG_CACHE_HOME=/build/cache .ci/compile /bitbucket-connector

# Nothing but the program and the public authorities. Time zones are within the program (Cargo.toml: tzdb-bundle-always).
# `make e2e` builds this stage with a folder in place of the one above, and runs what comes out.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /bitbucket-connector /bitbucket-connector
# `make image` says which.
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="bitbucket-connector" \
    org.opencontainers.image.description="Kubernetes operator that copies the commits of Bitbucket Data Center default branches into SQL" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"
# A number: Kubernetes cannot tell whether a name is root. It writes nothing outside of its volumes: the root file system may
# be read-only.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/bitbucket-connector"]
CMD ["run"]
