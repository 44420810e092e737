# Builds barograph-image: every role in one small image. From the project's root:
#   docker build -f docker/barograph.Dockerfile -t barograph-image .
FROM debian:12-slim AS build
WORKDIR /src
COPY . .
RUN ./run --build-only && strip build/barograph

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libmicrohttpd12 libcurl3-gnutls libyaml-0-2 \
       libsimdjson14 libre2-9 libzstd1 libdeflate0 zlib1g libsnappy1v5 liblz4-1 libcrypt1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 barograph \
    && install -d -o barograph /var/log/barograph /var/lib/barograph
COPY --from=build /src/build/barograph /usr/local/bin/barograph
USER barograph
ENTRYPOINT ["barograph"]
