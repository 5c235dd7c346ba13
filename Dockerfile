# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
# libtorch is a layer of its own: it changes only when the scripts do.
COPY Cargo.toml Cargo.toml
COPY scripts scripts
RUN scripts/setup
COPY . .
# For `smista --version`: --build-arg SMISTA_COMMIT="$(git log -1 --format='%h of %as')"
ARG SMISTA_COMMIT=
RUN scripts/package tree --prefix /usr/local --output /out

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/smista --create-home smista
# The program with its libraries, the model pack, the policy and the licences.
COPY --from=build /out/ /

USER smista
WORKDIR /var/lib/smista
VOLUME /var/lib/smista
ENV SMISTA_ENGINE__PACK=/usr/local/share/smista/models/core \
    SMISTA_TELEMETRY__LISTEN=0.0.0.0:9464 \
    SMISTA_TELEMETRY__LOG_FORMAT=json
EXPOSE 9464
# The worker's own health page, asked without any program that the image would need only for this.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9464 && printf 'GET /health/live HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["smista"]
CMD ["worker"]
