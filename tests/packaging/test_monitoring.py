"""The alerts and the dashboard name metrics, labels and values of labels that a server has, and all of docs/metrics.md's advice
has its alert."""

import json
import re

import pytest

from farthing_server import REPOSITORY, Server, init
from http_client import Client

RULES = (REPOSITORY / "packaging/prometheus/farthing.rules.yml").read_text()
DASHBOARD = json.loads((REPOSITORY / "packaging/grafana/farthing.json").read_text())
# What Prometheus adds to every series as it reads it; `job` takes the place of a label of that name.
LABELS_OF_TARGETS = {"instance", "job"}
NAME = re.compile(r"\b(?:farthing|process)_\w+")
SELECTOR = re.compile(r"\b((?:farthing|process)_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|=)"([^"]*)"')


def rule_expressions():
    """Each alert's, whether it stands on its line or on those below (`>-`)."""
    found = {}
    for name, rest in re.findall(r"- alert: (\w+)\n +expr: (.*?)\n +(?:for|labels):", RULES, re.DOTALL):
        found[name] = " ".join(rest.removeprefix(">-").split())
    return found


def dashboard_expressions():
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


EXPRESSIONS = [*rule_expressions().values(), *dashboard_expressions()]


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """What a server serves that has been asked: name -> label -> values."""
    directory = tmp_path_factory.mktemp("monitoring") / "data"
    credentials = init(directory)
    server = Server(directory, "--metrics-token", "a-token-for-the-test")
    with Client(server.address, credentials.api_key) as client:
        client.create({"external_id": "a", "name": "A"})
        text = client.get("/metrics", headers={"Authorization": "Bearer a-token-for-the-test"}).body.decode()
    server.stop()
    found = {}
    for name, labels in re.findall(r"^([a-z_]+)(?:\{(.*)\})? ", text, re.M):
        for label, value in re.findall(r'(\w+)="([^"]*)"', labels):
            found.setdefault(name, {}).setdefault(label, set()).add(value)
        found.setdefault(name, {})
    return found


def test_there_is_something_to_compare():
    assert len(rule_expressions()) == RULES.count("- alert:") > 10
    assert len(dashboard_expressions()) > 20


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_metrics_and_labels_are_there(series, expression):
    names = NAME.findall(expression)
    assert names or expression.startswith("up{")
    for name in names:
        assert name in series, name
    for name, matchers in SELECTOR.findall(expression):
        for label, operator, value in MATCHER.findall(matchers):
            if label in LABELS_OF_TARGETS:
                continue
            assert label in series[name], (name, label)
            # A status is there from its first reply on.
            if label != "status":
                assert set(value.split("|")) <= series[name][label], (name, label, value)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_grouped_by_labels_that_are_there(series, expression):
    known = LABELS_OF_TARGETS.union(*(series[name] for name in NAME.findall(expression)))
    if "job" in known:
        known.add("exported_job")
    for labels in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.split(r", *", labels)) <= known, expression


def test_every_alert_tells_a_person_something():
    for block in RULES.split("- alert: ")[1:]:
        for word in ("severity: ", "summary: ", "description: "):
            assert word in block, block


def test_what_is_to_be_watched_has_an_alert():
    advice = (REPOSITORY / "docs/metrics.md").read_text().split("### What to watch")[1].split("\n## ")[0]
    watched = set(NAME.findall(advice))
    assert len(watched) > 4
    assert watched <= set(NAME.findall(" ".join(rule_expressions().values())))


def test_the_panels_lie_beside_each_other():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24 and not cells & taken, panel["title"]
        taken |= cells
