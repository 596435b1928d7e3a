# Stands in for docker.io/axllent/mailpit where no registry is reached: takes mails on the same port,
# and prints them.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY requirements-dev.lock /
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    sed -n '/^\(aiosmtpd\|atpublic\|attrs\)==/,/[^\\]$/p' /requirements-dev.lock > /mail.lock \
 && python3 -m venv /venv \
 && PIP_CERT=/etc/ssl/certs/ca-certificates.crt /venv/bin/pip install --quiet --no-cache-dir --no-deps --require-hashes -r /mail.lock
ENV PYTHONUNBUFFERED=1
CMD ["/venv/bin/python", "-m", "aiosmtpd", "--nosetuid", "--listen", "0.0.0.0:1025", "--class", "aiosmtpd.handlers.Debugging", "stdout"]
