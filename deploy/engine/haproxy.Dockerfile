# Stands in for docker.io/library/haproxy:3.0 where no registry is reached: Debian's HAProxy, with the
# official image's account, path of the configuration, and signal.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends haproxy \
 && rm -rf /var/lib/apt/lists/*
USER 99:99
STOPSIGNAL SIGUSR1
CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
