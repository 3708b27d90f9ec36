#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The Kubernetes manifests and the container's recipe, read without a cluster and without Docker.

    manifests.py kubernetes DIRECTORY   one line for each thing that is wrong
    manifests.py commands DIRECTORY     the lines of each tcpcopyd.conf in a ConfigMap
    manifests.py arguments DIRECTORY    the options that containers of ours are started with
    manifests.py images DIRECTORY       the images of ours
    manifests.py dockerfile FILE        one line for each thing that is wrong
    manifests.py run FILE               the shell commands of its RUN lines, one a line

What a field may hold is written down here as far as we use it: a field that is not in these tables is
reported, so that a slip of the pen is not taken for an extension.
"""
import glob
import json
import re
import subprocess
import sys

import yaml

TEXT, NUMBER, FLAG = str, int, bool
LABELS = {"*": TEXT}
PROBE = {"exec!": {"command!": [TEXT]}, "periodSeconds": NUMBER, "timeoutSeconds": NUMBER,
         "initialDelaySeconds": NUMBER, "failureThreshold": NUMBER}
CONTAINER = {
    "name!": TEXT, "image!": TEXT, "args": [TEXT], "command": [TEXT],
    "env": [{"name!": TEXT, "value": TEXT,
             "valueFrom": {"fieldRef!": {"fieldPath!": TEXT}}}],
    "ports": [{"containerPort!": NUMBER, "name": TEXT}],
    "securityContext": {"runAsUser": NUMBER, "allowPrivilegeEscalation": FLAG,
                        "readOnlyRootFilesystem": FLAG,
                        "capabilities": {"drop": [TEXT], "add": [TEXT]}},
    "readinessProbe": PROBE, "livenessProbe": PROBE,
    "resources": {"requests": {"cpu": TEXT, "memory": TEXT}, "limits": {"memory": TEXT}},
    "volumeMounts": [{"name!": TEXT, "mountPath!": TEXT, "readOnly": FLAG}],
}
HOST_PATH = {"path!": TEXT, "type!": TEXT}
POD = {
    "nodeSelector": LABELS, "hostNetwork": FLAG, "dnsPolicy": TEXT,
    "automountServiceAccountToken": FLAG, "terminationGracePeriodSeconds": NUMBER,
    "containers!": [CONTAINER],
    "volumes": [{"name!": TEXT, "configMap": {"name!": TEXT}, "hostPath": HOST_PATH,
                 "secret": {"secretName!": TEXT, "defaultMode": NUMBER}, "emptyDir": {}}],
}
META = {"name!": TEXT, "namespace": TEXT, "labels": LABELS}
KINDS = {
    ("v1", "Namespace"): {},
    ("v1", "ConfigMap"): {"data!": {"*": TEXT}},
    ("v1", "Pod"): {"spec!": POD},
    ("apps/v1", "DaemonSet"): {"spec!": {
        "selector!": {"matchLabels!": LABELS}, "updateStrategy": {"type!": TEXT},
        "template!": {"metadata!": {"labels!": LABELS}, "spec!": POD}}},
}
HOST_PATH_TYPES = ("Directory", "DirectoryOrCreate", "File", "FileOrCreate", "CharDevice")
CAPABILITIES = {"BPF", "NET_ADMIN", "NET_RAW", "PERFMON"}
INSTRUCTIONS = "ARG FROM COPY WORKDIR RUN VOLUME HEALTHCHECK STOPSIGNAL ENTRYPOINT CMD ENV".split()


def check(value, shape, where):
    """Differences between a value and its shape, as lines."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            yield "%s: not a mapping" % where
            return
        known = {k.rstrip("!"): v for k, v in shape.items()}
        for key in (k.rstrip("!") for k in shape if k.endswith("!")):
            if key not in value:
                yield "%s: %s is missing" % (where, key)
        for key, inner in value.items():
            if key not in known and "*" not in known:
                yield "%s: unknown field %s" % (where, key)
            else:
                yield from check(inner, known.get(key, known.get("*")), "%s.%s" % (where, key))
    elif isinstance(shape, list):
        if not isinstance(value, list) or not value:
            yield "%s: not a list, or an empty one" % where
            return
        for i, inner in enumerate(value):
            yield from check(inner, shape[0], "%s[%d]" % (where, i))
    elif not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        yield "%s: %r is no %s" % (where, value, shape.__name__)


def documents(directory):
    """(file, document) of each manifest there."""
    for path in sorted(glob.glob(directory + "/*.yaml")):
        with open(path, encoding="utf-8") as file:
            for document in yaml.safe_load_all(file):
                if document is not None:
                    yield path.split("/")[-1], document


def pods(directory):
    """(where, labels, spec) of each pod that would run."""
    for file, d in documents(directory):
        if d["kind"] == "Pod":
            yield file, d["metadata"].get("labels"), d["spec"]
        elif d["kind"] == "DaemonSet":
            template = d["spec"]["template"]
            yield file, template["metadata"]["labels"], template["spec"]


def ours(directory):
    """(where, container, pod) of the containers that are tcpcopyd."""
    for where, _, pod in pods(directory):
        for container in pod["containers"]:
            if container["image"].startswith("tcpcopy:"):
                yield where, container, pod


def check_pod(where, pod, config_maps):
    """What names something else has to name something that is there."""
    volumes = {v["name"]: v for v in pod.get("volumes", [])}
    for v in volumes.values():
        if len(v) != 2:
            yield "%s: volume %s has to have one source" % (where, v["name"])
        if "configMap" in v and v["configMap"]["name"] not in config_maps:
            yield "%s: there is no ConfigMap %s" % (where, v["configMap"]["name"])
        if v.get("hostPath", {"type": "File"})["type"] not in HOST_PATH_TYPES:
            yield "%s: hostPath type %s" % (where, v["hostPath"]["type"])
        if "secret" in v and v["secret"].get("defaultMode") != 0o400:
            yield "%s: secret %s is to be read by its owner alone" % (where, v["name"])
    mounted = set()
    for container in pod["containers"]:
        for mount in container.get("volumeMounts", []):
            mounted.add(mount["name"])
            if mount["name"] not in volumes:
                yield "%s: there is no volume %s" % (where, mount["name"])
    for name in sorted(set(volumes) - mounted):
        yield "%s: nobody mounts %s" % (where, name)


def check_ours(where, container):
    """As the systemd unit has it: four capabilities, a root that is not written to."""
    context = container["securityContext"]
    if set(context["capabilities"]["add"]) != CAPABILITIES or \
            context["capabilities"]["drop"] != ["ALL"]:
        yield "%s: capabilities are to be %s" % (where, " ".join(sorted(CAPABILITIES)))
    if context["allowPrivilegeEscalation"] or not context["readOnlyRootFilesystem"]:
        yield "%s: escalation, or a root that may be written to" % where
    paths = [m["mountPath"] for m in container["volumeMounts"]]
    for arg in container["args"]:
        path = arg.partition("=")[2]
        if path.startswith("/") and not any(path.startswith(p + "/") for p in paths):
            yield "%s: %s lies in no volume" % (where, arg)
        for name in re.findall(r"\$\((\w+)\)", arg):
            if name not in [e["name"] for e in container.get("env", [])]:
                yield "%s: %s: there is no variable %s" % (where, arg, name)


def kubernetes(directory):
    """Everything that is wrong with the manifests."""
    found = list(documents(directory))
    for file, d in found:
        kind = (d.get("apiVersion"), d.get("kind"))
        if kind not in KINDS:
            yield "%s: unknown kind %s" % (file, kind)
            return
        shape = {"apiVersion!": TEXT, "kind!": TEXT, "metadata!": META, **KINDS[kind]}
        wrong = list(check(d, shape, "%s: %s" % (file, kind[1])))
        yield from wrong
        if wrong:
            return
        if d["kind"] == "DaemonSet" and not d["spec"]["selector"]["matchLabels"].items() <= \
                d["spec"]["template"]["metadata"]["labels"].items():
            yield "%s: the selector does not select the template's pods" % file
        names = [n["metadata"]["name"] for _, n in found if n["kind"] == "Namespace"]
        if d["kind"] != "Namespace" and d["metadata"].get("namespace") not in names:
            yield "%s: namespace %s" % (file, d["metadata"].get("namespace"))
    config_maps = {d["metadata"]["name"] for _, d in found if d["kind"] == "ConfigMap"}
    for where, _, pod in pods(directory):
        yield from check_pod(where, pod, config_maps)
    for where, container, _ in ours(directory):
        yield from check_ours(where, container)


def commands(directory):
    """Lines of the configurations that are no comments."""
    for _, d in documents(directory):
        for text in d.get("data", {}).values() if d["kind"] == "ConfigMap" else ():
            for line in text.splitlines():
                if line.strip() and not line.startswith("#"):
                    yield line


def instructions(path):
    """(name, text) of each, lines that go on put together."""
    text = re.sub(r"^#.*\n", "", open(path, encoding="utf-8").read(), flags=re.M)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            yield name, rest.strip()


def dockerfile(path):
    """Everything that is wrong with the recipe."""
    stages, seen = [], []
    for name, rest in instructions(path):
        seen.append(name)
        if name not in INSTRUCTIONS:
            yield "unknown instruction %s" % name
        if name == "FROM":
            if not re.fullmatch(r"[\w:.${}-]+( AS \w+)?", rest):
                yield "FROM %s" % rest
            stages.append(rest.partition(" AS ")[2])
        if name == "COPY" and rest.startswith("--from=") and \
                rest.split()[0][len("--from="):] not in stages[:-1]:
            yield "COPY from a stage that is not there: %s" % rest
        if name in ("ENTRYPOINT", "CMD", "VOLUME") or " CMD " in rest:
            try:
                json.loads(rest[rest.index("["):])
            except ValueError:
                yield "%s is no list of words: %s" % (name, rest)
        if name == "RUN" and subprocess.run(["sh", "-nc", rest], check=False).returncode:
            yield "RUN is no shell: %s" % rest
    if seen[:2] != ["ARG", "FROM"] or "ENTRYPOINT" not in seen:
        yield "it has to begin with ARG and FROM, and to have an ENTRYPOINT"


def main(verb, path):
    """The list that was asked for, one a line."""
    lines = {
        "kubernetes": lambda: kubernetes(path),
        "commands": lambda: commands(path),
        "arguments": lambda: sorted({a.partition("=")[0] for _, c, _ in ours(path)
                                     for a in c["args"]}),
        "images": lambda: sorted({c["image"] for _, c, _ in ours(path)}),
        "dockerfile": lambda: dockerfile(path),
        "run": lambda: [rest for name, rest in instructions(path) if name == "RUN"],
    }[verb]()
    for line in lines:
        print(line)


main(*sys.argv[1:])
