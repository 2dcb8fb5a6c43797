"""Whether operations are recorded: `no_grad`, a context and a decorator of functions, generators and coroutines."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any

from .errors import InputTypeError

_enabled: ContextVar[bool] = ContextVar("enabled", default=True)      # each thread and each asyncio task has its own


def grad_enabled() -> bool:
    """Whether operations are recorded in this thread or asyncio task."""
    return _enabled.get()


class no_grad:
    """Context manager and decorator: operations inside are not recorded and keep no arrays alive.

    It holds for one thread or one asyncio task. As a decorator it is written with or without brackets. A decorated
    generator or coroutine records nothing while it runs; while it waits, its caller records as before.

    Parameters
    ----------
    function : callable, optional
        The function to decorate.

    Raises
    ------
    InputTypeError
        `function` is no function.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.Tensor([1.0], requires_grad=True)
    >>> with minicnn.no_grad():
    ...     (x * 2).requires_grad
    False
    >>> @minicnn.no_grad
    ... def double(x):
    ...     return x * 2
    >>> double(x).requires_grad
    False
    """

    def __new__(cls, function: Callable | None = None) -> Any:
        """A context, or the decorated function."""
        new = super().__new__(cls)
        return new if function is None else new(function)

    def __init__(self, function: None = None) -> None:
        self._before: list[bool] = []             # one for each with block that this context is in

    def __enter__(self) -> None:
        self._before.append(_enabled.get())
        try:
            _enabled.set(False)
        except BaseException:                     # a KeyboardInterrupt that arrives here must not leave it off
            _enabled.set(self._before.pop())
            raise

    def __exit__(self, *error: object) -> None:
        _enabled.set(self._before[-1])
        self._before.pop()

    def __call__(self, function: Callable) -> Callable:
        """The function with the same signature, inside of no_grad."""
        if not callable(function) or isinstance(function, type):
            raise InputTypeError(f"no_grad decorates a function, not {function!r}; for a block write with no_grad():")
        if inspect.isasyncgenfunction(function):
            wrapped = _async_generator(function)
        elif inspect.iscoroutinefunction(function):
            wrapped = _coroutine(function)
        elif inspect.isgeneratorfunction(function):
            wrapped = _generator(function)
        else:
            wrapped = _plain(function)
        return functools.wraps(function)(wrapped)


def _plain(function):
    def wrapped(*args, **kwargs):
        with no_grad():
            return function(*args, **kwargs)
    return wrapped


def _generator(function):
    def wrapped(*args, **kwargs):
        return (yield from _resumed(function(*args, **kwargs)))
    return wrapped


def _coroutine(function):
    async def wrapped(*args, **kwargs):
        return await _Awaitable(function(*args, **kwargs))
    return wrapped


def _async_generator(function):
    async def wrapped(*args, **kwargs):
        inner = function(*args, **kwargs)
        step = inner.asend(None)
        try:
            while True:
                try:
                    item = await _Awaitable(step)
                except StopAsyncIteration:
                    return
                try:
                    step = inner.asend((yield item))
                except GeneratorExit:
                    raise
                except BaseException as error:
                    step = inner.athrow(error)
        finally:
            await _Awaitable(inner.aclose())
    return wrapped


class _Awaitable:
    """Runs a coroutine inside of no_grad, and waits outside of it."""

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def __await__(self) -> Generator:
        return _resumed(self.coroutine)


def _resumed(inner):
    """Each step of a generator or coroutine inside of no_grad; what it yields is yielded outside."""
    step, value = inner.send, None
    while True:
        try:
            with no_grad():
                item = step(value)
        except StopIteration as stop:
            return stop.value
        try:
            step, value = inner.send, (yield item)
        except GeneratorExit:
            with no_grad():
                inner.close()
            raise
        except BaseException as error:
            step, value = inner.throw, error
