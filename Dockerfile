# TimeSformer on a GPU server.
#
#   docker build -t timesformer .
#   docker run --gpus all -v /data:/data timesformer \
#       timesformer train --cfg Kinetics/TimeSformer_divST_8x32_224 \
#       DATA.PATH_TO_DATA_DIR /data/kinetics OUTPUT_DIR /data/output
#
# The loader needs no shared memory folder. NCCL does where several GPUs talk: add --shm-size 1g then.
#
# With Jupyter; it prints a fresh token at every start, and there is no password:
#
#   docker build --build-arg JUPYTER=1 -t timesformer-jupyter .
#   docker run --gpus all -p 8888:8888 timesformer-jupyter jupyter lab --ip 0.0.0.0 --no-browser
#
# BASE can be pinned to any PyTorch image from 2.6 on: --build-arg BASE=pytorch/pytorch:TAG
ARG BASE=pytorch/pytorch:latest
FROM ${BASE}

ARG JUPYTER=""
ENV PIP_NO_CACHE_DIR=1 PIP_BREAK_SYSTEM_PACKAGES=1

WORKDIR /opt/timesformer
COPY . .
RUN python -m pip install --editable . \
    && if [ -n "${JUPYTER}" ]; then python -m pip install jupyterlab; fi \
    && useradd --create-home timesformer \
    && chown -R timesformer /opt/timesformer

USER timesformer
CMD ["timesformer", "--help"]
