# imgtk serve on the CPU:  docker build -t imgtk . && docker run --rm -p 8000:8000 imgtk
# The address and a token are in the log. It runs as nobody in particular, and writes to /tmp only.

FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /venv
COPY setup.py pyproject.toml constraints.txt README.md LICENSE ./
COPY imgtk imgtk
COPY plugins plugins
RUN /venv/bin/pip install --no-cache-dir -c constraints.txt \
    --extra-index-url https://download.pytorch.org/whl/cpu '.[serve,large]'

FROM python:3.13-slim
COPY --from=build /venv /venv
RUN useradd --system --uid 10001 imgtk
USER imgtk
WORKDIR /tmp
ENV PATH=/venv/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/api/v1/health', timeout=5)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["imgtk", "serve", "--host", "0.0.0.0"]
