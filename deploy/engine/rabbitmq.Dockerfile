# Stands in for docker.io/library/rabbitmq:4.1 where no registry is reached: Debian's RabbitMQ, with
# the official image's account, paths and programs.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
# The account comes first, so that the package finds it with this number.
RUN groupadd --system --gid 999 rabbitmq \
 && useradd --system --uid 999 --gid 999 --home-dir /var/lib/rabbitmq rabbitmq \
 && printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d \
 && apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends rabbitmq-server \
 && rm -rf /var/lib/apt/lists/* \
 # Not Debian's wrappers, which insist on changing to the account that we are already.
 && ln -s /usr/lib/rabbitmq/lib/rabbitmq_server-* /opt/rabbitmq \
 && install --directory --owner=rabbitmq --group=rabbitmq --mode=777 /var/lib/rabbitmq \
 && install --directory --owner=rabbitmq --group=rabbitmq --mode=777 /var/log/rabbitmq
ENV PATH=/opt/rabbitmq/sbin:$PATH \
    LANG=C.UTF-8
VOLUME /var/lib/rabbitmq
USER 999:999
CMD ["rabbitmq-server"]
