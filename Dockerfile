# The app on Microsoft's Functions host. Flex Consumption runs the code without an image; this one is for Container Apps,
# App Service, Kubernetes or a machine of your own. `make acr-build` builds it in a registry (docs/acr-tasks.md).

# By digest, so that two builds of one commit start from the same bytes. `make base-digest` shows today's.
ARG BASE_IMAGE=mcr.microsoft.com/azure-functions/python:4-python3.13@sha256:f2486500c134e0b406825b3227a91b2097175d4c6a7008575772514567c9bbd5

FROM ${BASE_IMAGE} AS packages
WORKDIR /build
COPY requirements.txt ./
# Into a folder that has the paths of the image's Python, wherever that is, so that the runtime stage needs only a copy.
RUN python -m pip install --no-cache-dir --disable-pip-version-check --root /build/installed --ignore-installed \
      --requirement requirements.txt
COPY function_app.py host.json app/
COPY registrail app/registrail
RUN rm -r app/registrail/local && mkdir state

FROM ${BASE_IMAGE} AS runtime
COPY --from=packages /build/installed/ /
COPY --from=packages /build/app/ /srv/registrail/
COPY --from=packages --chown=10001:10001 /build/state/ /var/registrail/
# Port 80 is for root only. HOME is where the host keeps logs and keys if it has no storage account.
ENV AzureWebJobsScriptRoot=/srv/registrail \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    AzureWebJobsDisableHomepage=true \
    ASPNETCORE_URLS=http://+:8080 \
    HOME=/var/registrail \
    SUMMARIZE_SCHEDULE="15 * * * * *" \
    EXPIRE_SCHEDULE="0 30 2 * * *"
WORKDIR /srv/registrail
EXPOSE 8080
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/api/health', timeout=4)"]
