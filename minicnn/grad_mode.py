"""Whether operations are recorded: `no_grad`, a context and a decorator of functions, generators and coroutines."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any

from .errors import InputTypeError

# The innermost with block of this thread or asyncio task: its lock, which is locked inside of the block, and the block
# around it. A lock is acquired and released in C, where Python handles no signal: Ctrl-C cannot leave a block open.
_block: ContextVar[Any] = ContextVar("block", default=None)
_EXIT_FIRST = sys.version_info >= (3, 14)         # the order in which `with` looks up __enter__ and __exit__


def grad_enabled() -> bool:
    """Whether operations are recorded in this thread or asyncio task."""
    return _block.get() is None or _open_block() is None


def _open_block():
    block = _block.get()
    while block is not None and not block[0].locked():
        block = block[1]
    return block


class _Enter:
    """`with` looks the method up, which makes the lock, and then calls it, which acquires the lock."""

    def __get__(self, context: no_grad | None, owner: type) -> Callable[..., Any]:
        if context is None:                       # contextlib.ExitStack takes it from the class
            return lambda context: context.__enter__()
        lock = context._lock
        return (lock if _EXIT_FIRST and lock is not None and not lock.locked() else _new_lock(context)).__enter__


class _Exit:
    def __get__(self, context: no_grad | None, owner: type) -> Callable[..., Any]:
        if context is None:
            return lambda context, *error: context.__exit__(*error)
        lock = context._lock
        return (_new_lock(context) if lock is None or _EXIT_FIRST and not lock.locked() else lock).__exit__


def _new_lock(context):
    context._lock = lock = threading.Lock()
    _block.set((lock, _open_block()))
    return lock


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
        self._lock: threading.Lock | None = None

    __enter__, __exit__ = _Enter(), _Exit()

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
