"""Every documented operation, fed with what its schema allows and what it does not.

schemathesis draws the requests from our own OpenAPI document and checks each answer against it: no
5xx, no undocumented status or content type, no body that its schema does not describe.
"""

import subprocess
import sys
from pathlib import Path

import httpx

from tests.bench.http import api

#: Moving the clock would end the session that the run is made with; so would logging out.
_LEFT_OUT = "sandbox/clock|sessions/"
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


def test_no_request_gets_an_undocumented_answer(database_url: str) -> None:
    with api(database_url) as port:
        base = f"http://127.0.0.1:{port}"
        made = httpx.post(
            f"{base}/v1/members",
            json={"handle": "fuzz", "email": "fuzz@example.com", "password": "long enough to try"},
        )
        assert made.status_code == 201, made.text

        done = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"), "run", f"{base}/openapi.json",
                "--header", f"Authorization: Bearer {made.json()['token']}",
                "--checks", ",".join(_CHECKS), "--phases", "examples,coverage,fuzzing",
                "--exclude-path-regex", _LEFT_OUT, "--max-examples", "4", "--max-time", "30",
                "--seed", "1",
            ],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stdout[:9000] + done.stdout[-3000:] + done.stderr[-2000:]
