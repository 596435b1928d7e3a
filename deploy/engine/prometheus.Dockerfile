# Stands in for docker.io/prom/prometheus and docker.io/prom/alertmanager where no registry is
# reached: Debian's, each as its image's program.
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS packages
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends prometheus prometheus-alertmanager \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=65534 --group=65534 /prometheus /alertmanager

FROM packages AS alertmanager
USER 65534:65534
VOLUME /alertmanager
WORKDIR /alertmanager
ENTRYPOINT ["prometheus-alertmanager"]

FROM packages AS prometheus
USER 65534:65534
VOLUME /prometheus
WORKDIR /prometheus
ENTRYPOINT ["prometheus"]
