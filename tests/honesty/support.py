"""What all honesty tests share: where the sandbox is, with which credentials, and how to prepare a case in it."""

import json
import os
import unittest
import urllib.request


def setting(name):
    """A variable that the Rust test sets."""
    try:
        return os.environ[name]
    except KeyError:
        raise unittest.SkipTest(f"{name} is not set: run this through the Rust test `honesty`") from None


def control(method, path, body=None):
    """Calls the sandbox's control interface."""
    request = urllib.request.Request(
        f"{setting('SANDBOX_URL')}/_sandbox/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def snapshot(service):
    """The state of a service."""
    return control("GET", f"state/{service}")


def change(service, operation, **body):
    """Prepares a case in a service."""
    return control("POST", f"state/{service}/{operation}", body)


def fault(service, kind, times=1, **rule):
    """Makes a service fail."""
    return control("POST", "faults", {"service": service, "times": times, "kind": kind, **rule})
