# The desk in a container: built in one stage, run in another without compilers, as a user without rights.
#   docker build -t frauddesk .
#   docker run -it --rm -v frauddesk:/data frauddesk frauddesk users add ann --role lead       asks for a password
#   docker run -p 127.0.0.1:7860:7860 -v frauddesk:/data frauddesk
# Within the container the desk listens on every address, and so takes no start without a user.
FROM python:3.11-slim AS build

# The CPU wheel; the default index's build brings several gigabytes of GPU packages.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=postgres
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /desk
COPY constraints.txt pyproject.toml README.md ./
RUN pip install --no-compile -c constraints.txt --extra-index-url "$TORCH_INDEX" torch
# Dependencies first, from the metadata alone, so that a change of code does not install them again.
RUN for package in app retrieval fraud_model eval; do mkdir $package && touch $package/__init__.py; done \
    && pip install --no-compile -c constraints.txt setuptools \
    && pip install --no-compile -c constraints.txt --no-build-isolation -e ".[$EXTRAS]" \
    && (python -m compileall -q -j 0 /opt/venv/lib >/dev/null 2>&1 || true)
COPY app app
COPY retrieval retrieval
COPY fraud_model fraud_model
COPY eval eval
COPY docs_corpus docs_corpus
RUN pip install --no-deps --no-build-isolation -e . && python -m compileall -q app retrieval fraud_model eval

FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home desk && install -d -o desk /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /desk /desk
ENV PATH=/opt/venv/bin:$PATH FRAUDDESK_HOME=/data FRAUDDESK_HOST=0.0.0.0 NUMBA_CACHE_DIR=/data/numba
WORKDIR /data
USER desk
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=15s --timeout=5s --start-period=180s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/ready', timeout=4)"]
CMD ["frauddesk", "up"]
