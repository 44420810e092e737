# Builds metric-driver-image: the driver role alone, from the project's root as context:
#   docker build -f docker/driver.Dockerfile -t metric-driver-image .
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
COPY config/driver.yml /etc/barograph/driver.yml
USER barograph
EXPOSE 8081
ENTRYPOINT ["barograph"]
CMD ["driver", "--config", "/etc/barograph/driver.yml", "--listen", "0.0.0.0:8081", \
     "--web.allowed-host", "driver-container", "--log.file", "/var/log/barograph/driver.json"]
