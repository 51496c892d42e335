# syntax=docker/dockerfile:1

# The version of rust-toolchain.toml, as `make lint` checks. That file stays out of here: it would fetch clippy and rustfmt.
FROM rust:1.95.0-bookworm AS build
WORKDIR /build
COPY . .
ARG TARGETARCH
# Static, so that the image needs no C library. The target must be named, or the flag would meet procedural macros too,
# which cannot be static.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target,id=target-$TARGETARCH \
    target="$(rustc --version --verbose | sed -n 's/^host: //p')" \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --package bitbucket-connector --target "$target" \
    && cp "target/$target/release/bitbucket-connector" /bitbucket-connector

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /bitbucket-connector /bitbucket-connector
# A number: Kubernetes cannot tell whether a name is root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/bitbucket-connector"]
CMD ["run"]
