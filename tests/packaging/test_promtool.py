"""The alerts as Prometheus reads them: each is silent while all is well, and comes when it should. The dashboard's
expressions are parsed."""

import json
import subprocess

import pytest

from farthing_server import REPOSITORY, seconds
from test_monitoring import dashboard_expressions, rule_expressions

RULES = REPOSITORY / "packaging/prometheus/farthing.rules.yml"
LAST_MINUTE = 60

# What comes of each: series with values a minute apart, as promtool writes them (from, step, how many more), that are well and
# that are not.
STATES = {
    "FarthingDown": [("up", "1+0x60", "1+0x20 0+0x40")],
    "FarthingDiskLostWrites": [("farthing_database_sync_failed", "0+0x60", "1+0x60")],
    "FarthingDatabaseDown": [("farthing_database_up", "1+0x60", "0+0x60")],
    "FarthingErrors": [
        ('farthing_http_requests_total{status="200"}', "0+1000x60", "0+1000x60"),
        ('farthing_http_requests_total{status="503"}', "0+1x60", "0+100x60"),
    ],
    "FarthingCommitsInDoubt": [('farthing_database_commits_in_doubt_total{outcome="unknown"}', "7+0x60", "0+0x55 1+0x5")],
    "FarthingRefusesForLackOfRoom": [('farthing_http_requests_rejected_total{reason="overloaded"}', "7+0x60", "0+9x60")],
    "FarthingWritesPileUp": [("farthing_writer_commands_waiting", "100+0x60", "9000+0x60")],
    "FarthingSlow": [
        ('farthing_http_request_duration_seconds_bucket{lane="read",le="0.5"}', "0+1000x60", "0+900x60"),
        ('farthing_http_request_duration_seconds_bucket{lane="read",le="2"}', "0+1000x60", "0+1000x60"),
        ('farthing_http_request_duration_seconds_bucket{lane="read",le="+Inf"}', "0+1000x60", "0+1000x60"),
    ],
    "FarthingCommitsSlow": [
        ('farthing_database_commit_duration_seconds_bucket{le="0.25"}', "0+1000x60", "0+900x60"),
        ('farthing_database_commit_duration_seconds_bucket{le="1"}', "0+1000x60", "0+1000x60"),
        ('farthing_database_commit_duration_seconds_bucket{le="+Inf"}', "0+1000x60", "0+1000x60"),
    ],
    "FarthingLogGrows": [("farthing_database_wal_size_bytes", "4194304+0x60", "2147483648+0x60")],
    "FarthingLongRead": [("farthing_database_oldest_snapshot_seconds", "9+0x60", "40+60x60")],
    "FarthingLogHeld": [("farthing_database_log_held_total", "7+0x60", "0+1x60")],
    "FarthingCheckpointStalls": [('farthing_database_checkpoint_stalls_total{phase="sync"}', "7+0x60", "0+1x60")],
    "FarthingSessionsLost": [("farthing_database_sessions_lost_total", "0+1x60", "0+30x60")],
    "FarthingConnectionsRefused": [('farthing_http_connections_refused_total{reason="limit"}', "7+0x60", "0+9x60")],
    "FarthingDescriptorsRunOut": [("process_open_fds", "100+0x60", "990+0x60"), ("process_max_fds", "1000+0x60", "1000+0x60")],
    "FarthingHousekeepingFails": [('farthing_housekeeping_failures_total{exported_job="key_uses"}', "0+0x58 1+0x1", "0+1x60")],
    "FarthingLogLinesDropped": [('farthing_log_lines_dropped_total{log="access"}', "7+0x60", "0+9x60")],
    "FarthingRestarts": [("process_start_time_seconds", "1000+0x60", "1000+60x60")],
}


def promtool(*arguments):
    process = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=seconds(60))
    assert process.returncode == 0, process.stdout + process.stderr


def of_target(series):
    """With the labels that a scrape adds."""
    name, _, labels = series.partition("{")
    return f'{name}{{job="farthing",instance="one:9464"{"," + labels if labels else "}"}'


def firing(alert, states, is_ill, tmp_path):
    """Whether the alert fires in the last minute: promtool says what there is when it is told that there is nothing."""
    tests = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": of_target(name), "values": ill if is_ill else well} for name, well, ill in states],
                "alert_rule_test": [{"eval_time": f"{LAST_MINUTE}m", "alertname": alert, "exp_alerts": []}],
            }
        ],
    }
    file = tmp_path / "alerts.yml"
    file.write_text(json.dumps(tests))
    process = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, timeout=seconds(60))
    said = process.stdout + process.stderr
    assert (process.returncode == 0) == ("FAILED" not in said), said
    assert process.returncode == 0 or f'alertname="{alert}"' in said, said
    return process.returncode != 0


def test_prometheus_takes_them():
    promtool("check", "rules", RULES)
    promtool("check", "config", "--syntax-only", REPOSITORY / "packaging/docker/prometheus.yml")


def test_every_alert_has_its_states():
    assert set(STATES) == set(rule_expressions())


@pytest.mark.parametrize("alert", STATES)
def test_an_alert_comes_when_it_should(alert, tmp_path):
    assert not firing(alert, STATES[alert], False, tmp_path), "all is well"
    assert firing(alert, STATES[alert], True, tmp_path)


def test_the_dashboards_expressions_are_understood(tmp_path):
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for number, expression in enumerate(dashboard_expressions())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)
