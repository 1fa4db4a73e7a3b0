"""The door to BigQuery: its own client, with jobs that are waited for and errors in our words."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from sluiceway.connectors.bqtypes import BqColumn, arrow_type, bq_column, ident
from sluiceway.errors import MissingExtraError, RunError, SourceError, SpecError, Where
from sluiceway.secrets import redact, register_secret

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BigQueryKeys", "BqServer", "bq_errors"]

log = logging.getLogger("sluiceway.connectors.bigquery")
_PATIENCE = 30.0
"""Seconds for which a call that the service did not take is tried again."""
_ARROW_BATCH = 100_000


class BigQueryKeys(BaseModel):
    """How to reach BigQuery."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    project: str = Field(description="the project that jobs run in, and whose datasets are meant")
    dataset: str | None = Field(None, description="the dataset of tables that are named without one")
    location: str | None = Field(None, description="where jobs run and datasets are made, such as EU")
    credentials: str | None = Field(
        None, description="a service account's key file (JSON); else the credentials of the machine (ADC)"
    )
    api_endpoint: str | None = Field(
        None, description="another address than Google's; with http:// there are no credentials"
    )
    storage_endpoint: str | None = Field(
        None,
        description="HOST:PORT of the Storage Read API beside api_endpoint; without it rows come by REST",
    )


class BqServer:
    """A project, and the client for it. Made without a call; the client is made when it is first used."""

    patience = _PATIENCE

    def __init__(self, keys: BigQueryKeys, where: Where | None = None, folder: Path | None = None) -> None:
        try:
            from google.cloud import bigquery  # noqa: F401 asked here, so that its absence is said first
        except ImportError as error:
            raise MissingExtraError.of("bigquery", "The bigquery connector") from error
        self.keys, self.where = keys, where
        self.project, self.location = keys.project, keys.location
        self.credentials = None
        if keys.credentials is not None:
            path = Path(keys.credentials)
            self.credentials = path if folder is None or path.is_absolute() else folder / path

    def __repr__(self) -> str:
        return f"BqServer({self})"

    @property
    def _retry(self) -> Any:
        from google.cloud.bigquery.retry import DEFAULT_RETRY

        return DEFAULT_RETRY.with_timeout(self.patience)

    def __str__(self) -> str:
        return f"{self.keys.api_endpoint or 'bigquery'}/{self.project}"

    @property
    def identity(self) -> tuple[Any, ...]:
        """Who asks what: two that are the same reach the same tables with the same rights."""
        return (self.keys.api_endpoint, self.credentials, self.location)

    @cached_property
    def client(self) -> Any:
        from google.api_core.client_options import ClientOptions
        from google.cloud import bigquery

        options = ClientOptions(api_endpoint=self.keys.api_endpoint) if self.keys.api_endpoint else None
        return bigquery.Client(
            project=self.project, location=self.location, credentials=self._login(), client_options=options
        )

    @property
    def _local(self) -> bool:
        return (self.keys.api_endpoint or "").startswith("http://")

    def _login(self) -> Any:
        """None: the client finds the machine's own."""
        if self.credentials is not None:
            return _service_account(self.credentials, self.where)
        if self._local:
            from google.auth.credentials import AnonymousCredentials

            return AnonymousCredentials()
        return None

    @cached_property
    def _storage(self) -> Any:
        """The client that reads rows in Arrow; None where they come by REST."""
        if self.keys.api_endpoint and not self.keys.storage_endpoint:
            return None
        from google.cloud import bigquery_storage

        if not self._local:
            return bigquery_storage.BigQueryReadClient(credentials=self._login())
        import grpc
        from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
            BigQueryReadGrpcTransport,
        )

        channel = grpc.insecure_channel(self.keys.storage_endpoint)
        return bigquery_storage.BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))

    # statements ---------------------------------------------------------------------------------------

    def start(
        self,
        sql: str,
        parameters: Sequence[Any] = (),
        *,
        job_id: str | None = None,
        dry: bool = False,
    ) -> Any:
        """A query job. With ``job_id`` the service runs it once, however often it is sent."""
        from google.api_core.exceptions import Conflict
        from google.cloud import bigquery

        config = bigquery.QueryJobConfig(
            query_parameters=list(parameters), dry_run=dry, use_query_cache=False,
            labels={"made-by": "sluiceway"},
        )  # fmt: skip
        if self.keys.dataset:
            config.default_dataset = f"{self.project}.{self.keys.dataset}"
        once: dict[str, Any] = {"job_id": job_id, "job_retry": None} if job_id else {}
        try:
            return self.client.query(
                sql, job_config=config, location=self.location, retry=self._retry, timeout=_PATIENCE, **once
            )
        except Conflict:  # it was sent before, and only the answer got lost
            if job_id is None:
                raise
            return self.client.get_job(job_id, location=self.location, retry=self._retry)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The finished job of one or more statements."""
        job = self.start(sql, parameters)
        self.wait(job)
        return job

    def wait(self, job: Any) -> Any:
        """Its rows, once it has ended."""
        return job.result(retry=self._retry)

    def ended(self, job_id: str) -> None:
        """Wait for a job that somebody else, or we before the line was cut, may have sent. How it ended is
        not looked at."""
        from google.api_core.exceptions import BadRequest, NotFound

        try:
            self.wait(self.client.get_job(job_id, location=self.location, retry=self._retry))
        except (NotFound, BadRequest):
            return

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.wait(self.start(sql, parameters))]

    def shape(self, sql: str, parameters: Sequence[Any] = ()) -> list[BqColumn]:
        """The columns of a SELECT; nothing is read."""
        return [bq_column(field) for field in self.start(sql, parameters, dry=True).schema]

    # tables -------------------------------------------------------------------------------------------

    def named(self, *parts: str) -> str:
        """The id of a table, for the client's calls."""
        return ".".join(parts)

    def columns(self, project: str, dataset: str, table: str) -> list[BqColumn] | None:
        """None where the table is not there. Asked of the API: datasets whose names begin with an
        underscore are not in INFORMATION_SCHEMA."""
        from google.api_core.exceptions import NotFound

        try:
            found = self.client.get_table(self.named(project, dataset, table), retry=self._retry)
        except NotFound:
            return None
        return [bq_column(field) for field in found.schema]

    def make_dataset(self, name: str, *, days: int | None = None) -> None:
        """``days`` after which the tables in it are gone by themselves."""
        options = [f"location = '{self.location}'"] if self.location else []
        options += [f"default_table_expiration_days = {days}"] if days else []
        text = f" OPTIONS({', '.join(options)})" if options else ""
        self.run(f"CREATE SCHEMA IF NOT EXISTS {ident(self.project)}.{ident(name)}{text}")

    def drop(self, table: Sequence[str]) -> None:
        """A table that may be gone already."""
        self.client.delete_table(self.named(*table), not_found_ok=True, retry=self._retry)

    def load(self, path: Path, table: Sequence[str], columns: Mapping[str, str]) -> int:
        """A load job of a Parquet file into a table that it makes; how many rows BigQuery took."""
        from google.cloud import bigquery

        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            schema=[bigquery.SchemaField(name, type_) for name, type_ in columns.items()],
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            labels={"made-by": "sluiceway"},
        )
        with path.open("rb") as file:
            job = self.client.load_table_from_file(
                file, self.named(*table), job_config=config, location=self.location, size=path.stat().st_size
            )
        job.result(retry=self._retry)
        return int(job.output_rows)

    def batches(
        self, sql: str, columns: Sequence[BqColumn], parameters: Sequence[Any] = ()
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The rows of a SELECT of ``columns`` as they travel, under the names ``c0``, ``c1``, …"""
        import pyarrow as pa

        shape = pa.schema([(f"c{i}", arrow_type(c.travels)) for i, c in enumerate(columns)])
        job = self.start(sql, parameters)
        rows = self.wait(job)
        found = rows.to_arrow_iterable() if self._storage is None else self._streamed(job.destination)

        def read() -> Iterator[pa.RecordBatch]:
            for batch in found:
                yield from pa.Table.from_batches([batch]).cast(shape).to_batches(_ARROW_BATCH)

        return shape, read()

    def _streamed(self, table: Any) -> Iterator[pa.RecordBatch]:
        """A query's result by the Storage Read API."""
        import pyarrow as pa
        from google.cloud.bigquery_storage_v1 import types

        path = f"projects/{table.project}/datasets/{table.dataset_id}/tables/{table.table_id}"
        session = self._storage.create_read_session(
            parent=f"projects/{self.project}",
            read_session=types.ReadSession(table=path, data_format=types.DataFormat.ARROW),
            max_stream_count=1,
        )
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        for stream in session.streams:
            for message in self._storage.read_rows(stream.name):
                data = message.arrow_record_batch.serialized_record_batch
                yield pa.ipc.read_record_batch(pa.py_buffer(data), schema)

    def close(self) -> None:
        for name in ("client", "_storage"):
            made = self.__dict__.pop(name, None)
            if name == "client" and made is not None:
                made.close()
            elif made is not None:
                made.transport.close()


def _service_account(path: Path, where: Where | None) -> Any:
    from google.oauth2 import service_account

    try:
        info = json.loads(path.read_text("utf-8"))
        register_secret(info.get("private_key"))
        register_secret(info.get("private_key_id"))
        return service_account.Credentials.from_service_account_info(info)
    except (OSError, ValueError, AttributeError) as error:
        raise SpecError(
            f"the key file of the connection can't be used: {redact(str(error))[:200]}",
            where=where,
            hint="credentials: PATH of the JSON key of a service account",
        ) from error


@contextmanager
def bq_errors(server: BqServer, kind: type[RunError] = SourceError, *, what: str = "") -> Iterator[None]:
    """The client's errors as ``kind``: what failed, where, what to do."""
    import requests
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except GoogleAuthError as error:
        raise kind(
            f"{what}: BigQuery does not let us in: {_said(error)}",
            where=server.where,
            hint="give the connection credentials:, or type gcloud auth application-default login",
            details={"final": True},
        ) from error
    except GoogleAPIError as error:
        raise _explained(server, kind, what, error) from error
    except requests.exceptions.RequestException as error:
        raise _unreachable(server, kind, what, error) from error


def _unreachable(server: BqServer, kind: type[RunError], what: str, error: BaseException) -> RunError:
    return kind(
        f"{what}: can't reach BigQuery at {server}: {_said(error)}",
        where=server.where,
        hint="look at the network and at api_endpoint of the connection",
        details={"connection": True},
    )


def _explained(server: BqServer, kind: type[RunError], what: str, error: Any) -> RunError:
    code = getattr(error, "code", None)
    said = _said(error)
    if code in (401, 403) and "exceeded" not in said.lower():
        return kind(
            f"{what}: BigQuery does not allow this in {server.project}: {said}",
            where=server.where,
            hint="grant BigQuery Job User on the project, and Data Editor or Viewer on the dataset",
            details={"final": True},
        )
    if code == 404:
        return kind(
            f"{what}: not found at {server}: {said}",
            where=server.where,
            hint="look at project, dataset and location of the connection, and at the table's name",
            details={"final": True},
        )
    if code is None or code in (502, 503, 504):
        return _unreachable(server, kind, what, error)
    if code >= 500:
        details = {"connection": True}
        return kind(f"{what}: BigQuery at {server} failed: {said}", where=server.where, details=details)
    return kind(f"{what}: BigQuery at {server} answered: {said}", where=server.where)


def _said(error: BaseException) -> str:
    message = getattr(error, "message", None) or str(error)
    return redact(" ".join(str(message).split("\n\n", maxsplit=1)[0].split()))[:500]
