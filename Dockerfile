# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
# libtorch is a layer of its own: it changes only when the scripts do.
COPY Cargo.toml Cargo.toml
COPY scripts scripts
RUN scripts/setup
COPY . .
RUN . scripts/lib/env.sh \
    && cargo build --release --locked --bin smista \
    && mkdir -p /out/bin /out/lib \
    && cp target/release/smista /out/bin/ \
    && ldd target/release/smista | awk -v prefix="$LIBTORCH/lib/" 'index($3, prefix) == 1 { print $3 }' \
        | xargs -I{} cp -L {} /out/lib/

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/smista --create-home smista
# The binary looks for its libraries in ../lib.
COPY --from=build /out/bin/ /usr/local/bin/
COPY --from=build /out/lib/ /usr/local/lib/
COPY models/core /usr/share/smista/models/core
COPY policy /usr/share/smista/policy
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/smista/

USER smista
WORKDIR /var/lib/smista
VOLUME /var/lib/smista
ENV SMISTA_ENGINE__PACK=/usr/share/smista/models/core \
    SMISTA_TELEMETRY__LISTEN=0.0.0.0:9464 \
    SMISTA_TELEMETRY__LOG_FORMAT=json
EXPOSE 9464
# The worker's own health page, asked without any program that the image would need only for this.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9464 && printf 'GET /health/live HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["smista"]
CMD ["worker"]
