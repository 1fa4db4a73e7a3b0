"""The orders by hand in PySpark's SQL, checks and all: cast, derive, filter, deduplicate, join, judge, write.

    spark_orders.py ORDERS CUSTOMERS FOLDER

What the pipeline does and no more: rows are staged once, good and bad apart, with a column of flags; the
checks are counted over it; the good ones' folder is the result.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from duck import say

# a reader as typed as the pipeline's: nothing is inferred
CUSTOMERS = "customer_id BIGINT, name STRING, segment STRING, region STRING"
TYPED = """
    SELECT * EXCEPT (amount, discount, typed), typed AS amount, CAST(discount AS DECIMAL(9, 2)) AS discount,
           typed - coalesce(discount, 0) AS net,
           lower(split_part(email, '@', 2)) AS email_domain
    FROM (SELECT *, TRY_CAST(amount AS DECIMAL(12, 2)) AS typed FROM orders WHERE status <> 'draft')
"""
LATEST = """
    SELECT * EXCEPT (n) FROM (
        SELECT *, row_number() OVER (PARTITION BY order_id ORDER BY updated_at DESC) AS n FROM typed
    ) WHERE n = 1
"""
JUDGED = """
    SELECT o.*, c.segment, c.region,
           (CASE WHEN order_id IS NULL OR o.customer_id IS NULL THEN 1 ELSE 0 END)
         | (CASE WHEN amount IS NULL THEN 2 ELSE 0 END)
         | (CASE WHEN status NOT IN ('paid', 'shipped', 'returned', 'open') THEN 4 ELSE 0 END)
         | (CASE WHEN quantity NOT BETWEEN 1 AND 20 THEN 8 ELSE 0 END)
         | (CASE WHEN net NOT BETWEEN -100 AND 100000 THEN 16 ELSE 0 END)
         | (CASE WHEN NOT email RLIKE '^([^@]+@[^@]+[.][a-z]+)$' THEN 32 ELSE 0 END)
         | (CASE WHEN updated_at < created_at THEN 64 ELSE 0 END) AS flags,
           coalesce(amount IS NULL OR quantity NOT BETWEEN 1 AND 20, false) AS bad
    FROM latest AS o LEFT JOIN customers AS c ON o.customer_id = c.customer_id
"""
COUNTS = """
    SELECT count(*) AS rows,
           count_if(flags & 1 <> 0) AS keys, count_if(flags & 2 <> 0) AS amount,
           count_if(flags & 4 <> 0) AS status, count_if(flags & 8 <> 0) AS quantity,
           count_if(flags & 16 <> 0) AS net, count_if(flags & 32 <> 0) AS email,
           count_if(flags & 64 <> 0) AS dates
    FROM staged
"""
TWICE = "SELECT count(*) FROM (SELECT order_id FROM staged GROUP BY order_id HAVING count(*) > 1)"
ORPHANS = """
    SELECT count(*) FROM staged AS s LEFT ANTI JOIN customers AS c ON s.customer_id = c.customer_id
    WHERE s.customer_id IS NOT NULL
"""


def main(orders: str, customers: str, folder: str) -> None:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false")
    settings = {
        "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.showConsoleProgress": "false", "spark.sql.shuffle.partitions": "16",
        "spark.sql.session.timeZone": "UTC", "spark.sql.parquet.compression.codec": "zstd",
        "spark.local.dir": str(Path(folder).with_name("spark_local")),
    }  # fmt: skip
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    shutil.rmtree(folder, ignore_errors=True)
    spark.read.parquet(orders).createOrReplaceTempView("orders")
    spark.read.csv(customers, header=True, schema=CUSTOMERS).createOrReplaceTempView("customers")
    spark.sql(TYPED).createOrReplaceTempView("typed")
    spark.sql(LATEST).createOrReplaceTempView("latest")
    spark.sql(JUDGED).write.partitionBy("bad").parquet(folder)
    spark.read.parquet(folder).createOrReplaceTempView("staged")
    counts = spark.sql(COUNTS).collect()[0].asDict()
    counts["order_id"] = spark.sql(TWICE).collect()[0][0]
    counts["customer_id"] = spark.sql(ORPHANS).collect()[0][0]
    gateway = spark.sparkContext._gateway  # noqa: SLF001  there is no other way to its process
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()  # else the kernel's account of this process knows nothing of its JVM
    shutil.rmtree(settings["spark.local.dir"], ignore_errors=True)
    say(rows=counts.pop("rows"), counts=counts)


if __name__ == "__main__":
    main(*sys.argv[1:])
