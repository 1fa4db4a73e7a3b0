"""`doctor` on an environment of Spark: which JDBC driver is missing, and what to write."""

from __future__ import annotations

SETTINGS = """\
project: drivers
environments:
  dev:
    engine: {type: spark, conf: {CONF}}
    warehouse: {type: duckdb, path: here.duckdb}
connections:
  pg: {type: postgres, url: "postgresql://u@127.0.0.1:1/db"}
  my: {type: mysql, url: "mysql://u@127.0.0.1:1/db"}
"""


def _drivers(project, sluiceway, conf):
    (project / "sluiceway.yml").write_text(SETTINGS.replace("CONF", conf), "utf-8")
    checks = sluiceway("doctor", "--json").json["checks"]
    return {c["check"]: c for c in checks if c["check"].startswith("JDBC driver")}


def test_a_missing_driver_is_a_warning_with_what_to_write(project, sluiceway):
    found = _drivers(project, sluiceway, "spark.jars: /opt/postgresql-42.7.8.jar")
    assert found["JDBC driver for postgres"]["result"] == "ok"
    assert found["JDBC driver for mysql"]["result"] == "warn"
    assert (
        "spark.jars.packages: org.mariadb.jdbc:mariadb-java-client" in found["JDBC driver for mysql"]["hint"]
    )


def test_both_drivers_by_their_packages(project, sluiceway):
    packages = "org.postgresql:postgresql:42.7.8,org.mariadb.jdbc:mariadb-java-client:3.5.6"
    found = _drivers(project, sluiceway, f'spark.jars.packages: "{packages}"')
    assert [c["result"] for c in found.values()] == ["ok", "ok"]


def test_the_embedded_engine_wants_none(project, sluiceway):
    checks = sluiceway("doctor", "--json").json["checks"]
    assert not [c for c in checks if c["check"].startswith("JDBC")]


def test_a_warehouse_wants_one_where_a_cluster_s_executors_publish(project, sluiceway):
    settings = SETTINGS[: SETTINGS.index("connections:")].replace(
        "{type: duckdb, path: here.duckdb}", '{type: postgres, url: "postgresql://u@127.0.0.1:1/db"}'
    )
    found = {}
    for engine in ("", 'master: "local[2]"', 'master: "spark://127.0.0.1:1"', 'remote: "sc://127.0.0.1:1"'):
        text = settings.replace("conf: {CONF}", engine).replace("spark, }", "spark}")
        (project / "sluiceway.yml").write_text(text, "utf-8")
        checks = sluiceway("doctor", "--json").json["checks"]
        found[engine] = [c["result"] for c in checks if c["check"] == "JDBC driver for postgres"]
    assert list(found.values()) == [[], [], ["warn"], ["warn"]]
