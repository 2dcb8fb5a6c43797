"""no_grad as a context and as a decorator; threads and asyncio tasks of their own."""

import asyncio
import contextlib
import inspect
import threading

import pytest

from minicnn import InputTypeError, no_grad
from minicnn.autograd import grad_enabled


def test_context_can_be_nested_and_used_again():
    context = no_grad()
    with context:
        with context, no_grad():
            assert not grad_enabled()
        assert not grad_enabled()
    assert grad_enabled()
    with contextlib.ExitStack() as stack:
        stack.enter_context(no_grad())
        stack.enter_context(context)
        assert not grad_enabled()
    assert grad_enabled()
    context.__enter__()
    assert not grad_enabled()
    context.__exit__(None, None, None)
    with pytest.raises(KeyError), context:
        raise KeyError
    assert grad_enabled()


@pytest.mark.parametrize("decorate", [no_grad, no_grad()])
def test_decorated_functions_keep_their_name_and_arguments(decorate):
    @decorate
    def function(a, *, b=2):
        """A docstring."""
        return a, b, grad_enabled()
    assert function(1, b=3) == (1, 3, False) and grad_enabled()
    assert function.__name__ == "function" and function.__doc__ == "A docstring."
    assert list(inspect.signature(function).parameters) == ["a", "b"]

    class Model:
        @decorate
        def method(self):
            return grad_enabled()
    assert Model().method() is False


@pytest.mark.parametrize("decorate", [no_grad, no_grad()])
def test_decorated_generators_record_nothing_while_they_run(decorate):
    closed = []

    @decorate
    def generator(first):
        try:
            received = yield first, grad_enabled()
            try:
                yield received, grad_enabled()
            except KeyError:
                yield "caught", grad_enabled()
            return "end"
        finally:
            closed.append(grad_enabled())
    assert inspect.isgeneratorfunction(generator)
    steps = generator(1)
    assert next(steps) == (1, False) and grad_enabled()
    assert steps.send(5) == (5, False) and grad_enabled()
    assert steps.throw(KeyError()) == ("caught", False) and grad_enabled()
    with pytest.raises(StopIteration, match="end"):
        next(steps)
    abandoned = generator(1)
    next(abandoned)
    abandoned.close()
    assert closed == [False, False] and grad_enabled()


@pytest.mark.parametrize("decorate", [no_grad, no_grad()])
def test_decorated_coroutines_and_async_generators(decorate):
    closed = []

    @decorate
    async def coroutine(value):
        await asyncio.sleep(0)
        assert not grad_enabled()
        return value

    @decorate
    async def numbers():
        try:
            for i in range(3):
                await asyncio.sleep(0)
                try:
                    received = yield i
                    assert not grad_enabled()
                except KeyError:
                    received = yield "caught"
                if received is not None:
                    yield received
        finally:
            await asyncio.sleep(0)
            closed.append(grad_enabled())

    async def main():
        assert await coroutine(3) == 3 and grad_enabled()
        assert [i async for i in numbers() if grad_enabled()] == [0, 1, 2]
        steps = numbers()
        assert await anext(steps) == 0 and await steps.asend("sent") == "sent" and await anext(steps) == 1
        assert await steps.athrow(KeyError()) == "caught" and grad_enabled()
        await steps.aclose()
        task = asyncio.create_task(coroutine(1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert grad_enabled()
    assert inspect.iscoroutinefunction(coroutine) and inspect.isasyncgenfunction(numbers)
    asyncio.run(main())
    assert closed == [False, False]


def test_tasks_do_not_see_each_others_block():
    seen = []

    async def block():
        with no_grad():
            for _ in range(3):
                await asyncio.sleep(0)
                seen.append(("block", grad_enabled()))

    async def beside():
        for _ in range(3):
            await asyncio.sleep(0)
            seen.append(("beside", grad_enabled()))

    async def main():
        await asyncio.gather(block(), beside())
    asyncio.run(main())
    assert set(seen) == {("block", False), ("beside", True)}


def test_each_thread_has_its_own():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(grad_enabled()))
        thread.start()
        thread.join()
        assert not grad_enabled()
    assert seen == [True]


@pytest.mark.parametrize("wrong", [3, "x", int])
def test_only_functions_are_decorated(wrong):
    with pytest.raises(InputTypeError, match=r"no_grad decorates a function, not .*; for a block write with no"):
        no_grad()(wrong)
