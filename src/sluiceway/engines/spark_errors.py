"""Spark's exceptions as ours, with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sluiceway import errors
from sluiceway.errors import CancelledError, EngineError, MissingExtraError, PlanError, SluicewayError
from sluiceway.secrets import redact

__all__ = ["spark_errors", "step_error"]

_OURS = re.compile(r"^sluiceway\.errors\.(\w+): (.*)(?:\n  (\S.*))?", re.M)
_RAISED = re.compile(r"^([\w.]*(?:Error|Exception|Exit|Interrupt)(?:: .*)?)$", re.M)
_CAUSE = re.compile(r"^Caused by: (?:[\w.$]+: )*(.*)$", re.M)
_STOPPED = ("Job", "cancelled")
_LINKAGE = re.compile(
    r"java\.lang\.(?:NoSuchMethodError|NoSuchFieldError|NoClassDefFoundError|IncompatibleClassChangeError"
    r"|AbstractMethodError)[^\n]*"
)


@contextmanager
def spark_errors() -> Iterator[None]:
    """What Spark raises within, translated."""
    from pyspark.errors import (
        AnalysisException,
        ArithmeticException,
        NumberFormatException,
        PySparkException,
        PySparkImportError,
    )

    try:
        yield
    except PySparkImportError as error:
        raise MissingExtraError.of("spark", f"Spark ({_first_line(str(error))})") from error
    except AnalysisException as error:
        raise PlanError(f"Spark refuses the query: {_first_line(str(error))}") from error
    except (ArithmeticException, NumberFormatException) as error:
        raise EngineError(
            f"a value does not fit its type: {_first_line(str(error))}",
            hint="validate the column in the source's rules, or cast it with on_error: 'null'",
        ) from error
    except PySparkException as error:
        raise _told(str(error)) from error
    except SluicewayError:
        raise
    except Exception as error:  # py4j's classes, which a client without a JVM does not even have
        if type(error).__module__.startswith("py4j"):
            raise _of_gateway(error) from error
        if isinstance(error, ConnectionError):
            raise _lost(str(error)) from error
        raise


def _lost(text: str) -> EngineError:
    return EngineError(
        f"the connection to Spark broke: {_first_line(text)}", hint="look at Spark's own log; run it again"
    )


def _of_gateway(error: Exception) -> SluicewayError:
    """A Java exception that pyspark did not make one of its own, or a gateway that is gone."""
    if getattr(error, "java_exception", None) is None:
        return _lost(str(error))
    return _told(str(error))


def _told(text: str) -> SluicewayError:
    if all(word in text for word in _STOPPED):
        return CancelledError("the engine was interrupted")
    if "Traceback (most recent call last)" in text:
        return step_error(text)
    linkage = _LINKAGE.search(text)
    if linkage is not None:
        import pyspark

        return EngineError(
            f"a jar of Spark's was made for another version than {pyspark.__version__}: "
            f"{_first_line(linkage[0])[:200]}",
            hint="jars name the Spark that they are for, such as delta-spark_4.1_2.13: install that pyspark",
        )
    causes = _CAUSE.findall(text)
    if "No space left" in text:
        return EngineError(
            f"Spark ran out of disk: {_first_line(causes[-1] if causes else text)}",
            hint="free some disk, or give engine.staging, or spark.local.dir in engine.conf, another folder",
        )
    said = [line for line in text.split("\n") if not line.startswith("An error occurred while calling")]
    first = re.sub(r"^: (?:[\w.$]+: )*", "", "\n".join(said).lstrip())
    return EngineError(_first_line(first or text))


def step_error(text: str) -> SluicewayError:
    """What a Python process of an executor raised, out of its trace.

    >>> told = step_error('''Traceback (most recent call last):
    ...   File "steps.py", line 7, in add
    ... ValueError: seven
    ...
    ... The above exception was the direct cause of the following exception:
    ...
    ... sluiceway.errors.EngineError: the python step steps:add failed: ValueError: seven
    ...   look at steps.py:7
    ... ''')
    >>> type(told).__name__, told.message, told.hint
    ('EngineError', 'the python step steps:add failed: ValueError: seven', 'look at steps.py:7')
    """
    ours = _OURS.findall(text)
    if ours:
        name, message, hint = ours[-1]
        kind = getattr(errors, name, EngineError)
        return kind(redact(message), hint=redact(hint) or None)
    raised = _RAISED.findall(text)
    hint = None
    if "No module named 'sluiceway'" in text:
        hint = "a Python step runs on the executors: install sluiceway and its packages there too"
    return EngineError(_first_line(raised[-1] if raised else text), hint=hint)


def _first_line(text: str) -> str:
    """The line that says what happened, without the plan and the JVM's trace."""
    text = re.split(r"\nJVM stacktrace|\n\tat |;? line \d+ pos \d+", text.strip())[0]
    return redact(" ".join(text.split("\n")[0].split()))[:600]
