"""Whole queries over ``edge`` whose rows must be the same on every engine."""

from __future__ import annotations

__all__ = ["QUERIES", "SAMPLE_QUERIES"]

SAMPLE_QUERIES: tuple[str, ...] = (
    (
        "SELECT b, count(*), count(i), count(DISTINCT s), sum(i), sum(n), sum(x), sum(ti), sum(b), "
        "avg(i), avg(n), avg(x), "
        "min(s), max(s), min(d), max(d), min(dt), max(ts), min(b), max(b), max(u), min(n) FROM edge "
        "GROUP BY b"
    ),
    (
        "SELECT k // 3 AS g, avg(k * 6151 % 99991 * 0.01) AS cents, avg((k * 6151 % 99991 * 12.3457)"
        "::DECIMAL(38,10)) AS long, avg(k * 76912345678912345) AS whole FROM edge GROUP BY g"
    ),
    "SELECT k, i FROM edge QUALIFY row_number() OVER (PARTITION BY i ORDER BY k) = 1",
    "SELECT s, count(*) AS c FROM edge GROUP BY ALL HAVING c > 1 ORDER BY ALL",
    "SELECT a.k FROM edge a ANTI JOIN edge b ON a.i = b.j",
    "SELECT k, i IN (SELECT j FROM edge) AS among FROM edge",
    "SELECT k FROM edge WHERE k > (SELECT avg(k) FROM edge) AND k % 3 = 0",
    (
        "SELECT k, row_number() OVER (ORDER BY s, k) AS r, lag(s) OVER (ORDER BY k) AS p, sum(i) OVER "
        "(ORDER BY k) AS t "
        "FROM edge"
    ),
    "SELECT * EXCLUDE (st, lt, ll, tm, d) REPLACE (k + 1 AS k) FROM edge",
    "SELECT k, i FROM edge UNION ALL BY NAME SELECT i, s FROM edge",
)

QUERIES: tuple[str, ...] = (
    (
        "SELECT sum(i) FILTER (WHERE b) AS a, count(*) FILTER (WHERE i > 0) AS b, avg(x) FILTER (WHERE s "
        "> 'a') AS c "
        "FROM edge"
    ),
    "SELECT sum(i), avg(i), min(i), count(*), max(s) FROM edge WHERE k < 0",
    "SELECT avg(n), avg(bi), avg(n) FILTER (WHERE k < 0) FROM edge",
    (
        "SELECT k, avg(k * 6151 % 99991 * 0.01) OVER (ORDER BY k) AS a, avg((k * 6151 % 99991)"
        "::DECIMAL(24,18)) OVER (PARTITION BY i) AS b FROM edge"
    ),
    "SELECT s, t, sum(k) FROM edge GROUP BY ROLLUP (s, t)",
    "SELECT b, c, sum(k) FROM edge GROUP BY CUBE (b, c)",
    "SELECT b, c, sum(k) FROM edge GROUP BY GROUPING SETS ((b), (c), ())",
    (
        "SELECT bool_and(b), bool_or(b), count_if(i > 0), string_agg(s, '|' ORDER BY s), median(i), "
        "median(x), "
        "quantile_cont(x, 0.25) FROM edge"
    ),
    "SELECT b, string_agg(t, ',' ORDER BY k DESC) AS ts FROM edge GROUP BY b",
    (
        "SELECT k, rank() OVER (ORDER BY s) AS a, dense_rank() OVER (ORDER BY i DESC) AS b, "
        "lead(i, 2, 0) OVER (PARTITION BY b ORDER BY k) AS c, first_value(s) OVER (PARTITION BY i ORDER "
        "BY k) AS d, "
        "last_value(s) OVER (PARTITION BY i ORDER BY k) AS e, ntile(4) OVER (ORDER BY k) AS f, "
        "percent_rank() OVER (ORDER BY i) AS g, cume_dist() OVER (ORDER BY i) AS h FROM edge"
    ),
    (
        "SELECT k, sum(i) OVER (PARTITION BY b ORDER BY k) AS a, "
        "sum(x) OVER (ORDER BY k ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS b, avg(i) OVER (PARTITION "
        "BY s) AS c, "
        "count(*) OVER (ORDER BY i) AS d, "
        "max(s) OVER (PARTITION BY b ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED "
        "FOLLOWING) AS e, "
        "sum(sum(i)) OVER (ORDER BY k) AS f FROM edge GROUP BY k, b, i, x, s"
    ),
    "SELECT k, s FROM edge ORDER BY s DESC, k LIMIT 10",
    "SELECT k, i FROM edge ORDER BY i NULLS FIRST, k LIMIT 7 OFFSET 3",
    "SELECT k, dt FROM edge ORDER BY dt DESC, k LIMIT 50",
    "SELECT DISTINCT ON (s) s, k FROM edge ORDER BY s, k DESC",
    "SELECT DISTINCT s, b FROM edge",
    "SELECT DISTINCT s FROM edge ORDER BY s",
    "SELECT a.k, b.s FROM edge a JOIN edge b ON a.i = b.j WHERE a.k < 10",
    "SELECT a.k, q.z FROM edge a LEFT JOIN (SELECT i AS z, max(k) m FROM edge GROUP BY i) q ON a.j = q.z",
    "SELECT a.k FROM edge a SEMI JOIN edge b ON a.i = b.j",
    (
        "SELECT a.k, q.k AS k2 FROM (SELECT k FROM edge WHERE k < 3) a "
        "FULL JOIN (SELECT k FROM edge WHERE k BETWEEN 2 AND 5) q ON a.k = q.k"
    ),
    "SELECT k, s FROM edge JOIN (SELECT DISTINCT i AS k, t AS z FROM edge) q USING (k)",
    "SELECT * EXCLUDE (st, lt, ll, tm) FROM edge JOIN (SELECT k, i AS other FROM edge) q USING (k)",
    "SELECT a.k FROM edge a CROSS JOIN (VALUES (1), (2)) AS v(x)",
    "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS v(x, y)",
    "SELECT k FROM edge WHERE i NOT IN (SELECT j FROM edge WHERE j IS NOT NULL)",
    "SELECT k FROM edge WHERE i NOT IN (SELECT j FROM edge)",
    "SELECT k, NOT (i IN (SELECT j FROM edge WHERE j IS NOT NULL)) AS v FROM edge",
    "SELECT k FROM edge WHERE EXISTS (SELECT 1 FROM edge e WHERE e.j = edge.i)",
    "SELECT k, (SELECT max(e.k) FROM edge e WHERE e.j = edge.i) AS m FROM edge",
    "SELECT k FROM edge WHERE k > (SELECT avg(k) FROM edge)",
    "SELECT k, k - (SELECT count(DISTINCT i) FROM edge) AS v FROM edge",
    "SELECT k, round((SELECT sum(k) FROM edge) / (k + 1.5), 3) AS v FROM edge",
    "SELECT k, coalesce((SELECT max(s) FROM edge WHERE k < 0), 'none') || '!' AS v FROM edge",
    "SELECT k FROM edge WHERE n >= (SELECT min(n) + 1 FROM edge e WHERE e.k <= edge.k)",
    "SELECT k, CASE WHEN k % 2 = (SELECT max(k) % 2 FROM edge) THEN 'same' ELSE 'other' END AS v FROM edge",
    "SELECT k FROM edge WHERE (i, s) IN (SELECT i, s FROM edge WHERE k < 20)",
    "WITH q AS (SELECT s, count(*) AS n FROM edge GROUP BY s) SELECT s, n FROM q WHERE n > 1",
    "WITH q AS MATERIALIZED (SELECT k FROM edge) SELECT count(*) FROM q",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r",
    "SELECT k, i FROM edge UNION ALL SELECT k, n FROM edge",
    "SELECT i FROM edge UNION SELECT j FROM edge",
    "SELECT i FROM edge EXCEPT SELECT j FROM edge",
    "SELECT i FROM edge INTERSECT SELECT j FROM edge",
    "SELECT i FROM edge EXCEPT ALL SELECT j FROM edge",
    "SELECT s FROM edge UNION ALL SELECT i FROM edge",
    "SELECT NULL AS z UNION ALL SELECT 1",
    "SELECT dt FROM edge UNION ALL SELECT tu FROM edge",
    "SELECT s FROM edge UNION SELECT t FROM edge ORDER BY s",
    "(SELECT k FROM edge WHERE k < 3) UNION ALL (SELECT k FROM edge WHERE k > 117) ORDER BY k",
    "SELECT k, unnest(li) AS e FROM edge",
    "SELECT k + 1 AS a, a * 2 AS b2 FROM edge WHERE a > 3",
    "SELECT upper(s) AS su, count(*) FROM edge GROUP BY su",
    "SELECT b AS bb, sum(i) AS si2 FROM edge GROUP BY bb HAVING si2 > 0",
    "SELECT k, CASE WHEN i > 0 THEN sum(x) OVER (PARTITION BY b) END AS v FROM edge",
    "SELECT sum(CASE WHEN b THEN 1 ELSE 0 END) FROM edge",
    "SELECT sum(n) / count(*), sum(i) * 1.5 FROM edge",
    "SELECT b, sum(i) AS t FROM edge GROUP BY b ORDER BY t DESC NULLS LAST, b",
    'SELECT i AS "we ird", s AS "Q`q" FROM edge',
    "FROM edge SELECT k",
    "SELECT k FROM edge WHERE i",
    "SELECT count(*) FILTER (WHERE i) FROM edge",
    "SELECT max(k) OVER w AS m FROM edge WINDOW w AS (PARTITION BY b)",
    "SELECT grouping(b) AS g, b, count(*) FROM edge GROUP BY ROLLUP (b)",
    "SELECT k FROM edge e WHERE e.s = 'a' ORDER BY e.s, e.k",
    "SELECT s AS z, k FROM edge ORDER BY upper(s), k",
    "SELECT row_number() OVER (PARTITION BY s ORDER BY t, k) AS r, k FROM edge ORDER BY 1, 2",
    (
        "SELECT * EXCLUDE (st, lt, ll, tm, d, e) FROM edge QUALIFY sum(i) OVER (PARTITION BY b ORDER BY "
        "k) > 3 AND k < 50"
    ),
    "SELECT count(DISTINCT d), count(DISTINCT big), count(DISTINCT ts) FROM edge",
    'SELECT st.a, st."b c", k FROM edge',
)
