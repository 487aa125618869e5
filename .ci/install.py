"""Make `.venv` what requirements.lock says; called by make, done in a blink if nothing changed.

Standard library only, and no newer syntax than Python 3.6 reads: an old interpreter must get as
far as the sentence that says it is too old.

uv does it in seconds where pip takes a minute. It is itself installed by pip, pinned and hashed,
beside the environment. pip does all of it where pip is set up for an index or a proxy of its own
(uv does not read its files), where uv fails, or with HANDSEL_INSTALLER=pip.
"""

import ctypes
import hashlib
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, ".installed")
TOOL = os.path.join(VENV, "installer")
LOCK = os.path.join(ROOT, "requirements.lock")
UV_LOCK = os.path.join(ROOT, ".ci", "uv.lock")
OLDEST = (3, 11)
#: Settings of pip that say where and how to fetch; uv would not know them.
OWN_WAYS = ("index-url", "extra-index-url", "no-index", "trusted-host", "proxy", "client-cert")


def main():
    check_prerequisites()
    if "--uv" in sys.argv:
        fetch_uv()
        return
    wanted = digest()
    if stamped() == wanted:
        return
    with Alone():
        if stamped() == wanted:  # another make was faster
            return
        began = time.monotonic()
        make_environment()
        install()
        with open(STAMP, "w") as file:
            file.write(wanted)
        say("ready after %.0f s" % (time.monotonic() - began))


def say(text):
    sys.stderr.write("install: %s\n" % text)
    sys.stderr.flush()


def stop(sentence):
    say(sentence)
    sys.exit(2)


def check_prerequisites():
    if sys.version_info < OLDEST:
        stop(
            "handsel needs Python %d.%d or newer, and %s is %s; say which one to use: "
            "make PYTHON=/path/to/python3." % (OLDEST + (sys.executable, sys.version.split()[0]))
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        stop("Python's venv module is missing; on Debian: apt-get install python3-venv.")
    if sys.platform.startswith("linux"):
        try:
            ctypes.CDLL("libgomp.so.1")
        except OSError:
            stop("libgomp1 (for LightGBM) is missing; on Debian: apt-get install libgomp1.")


def digest():
    """What the environment depends on. Its path too: a moved environment is a broken one."""
    made = hashlib.sha256(("%s %s" % (VENV, sys.version)).encode())
    for name in (LOCK, UV_LOCK, os.path.join(ROOT, "pyproject.toml")):
        with open(name, "rb") as file:
            made.update(file.read())
    return made.hexdigest()


def stamped():
    try:
        with open(STAMP) as file:
            return file.read()
    except OSError:
        return None


class Alone:
    """`make run` and `make test` may be started together in a fresh clone; one of them installs."""

    def __enter__(self):
        import fcntl

        self.file = open(os.path.join(ROOT, ".venv.lock"), "w")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another make is installing; waiting for it")
            fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


def make_environment():
    python = os.path.join(VENV, "bin", "python")
    if os.path.exists(python) and belongs_here():
        return
    say("creating .venv")
    run([sys.executable, "-m", "venv", "--clear", VENV])


def belongs_here():
    """Whether this environment was made at this path by this Python."""
    script = os.path.join(VENV, "bin", "activate")
    config = os.path.join(VENV, "pyvenv.cfg")
    try:
        with open(script) as file, open(config) as settings:
            version = "%d.%d." % sys.version_info[:2]
            return VENV in file.read() and version in settings.read()
    except OSError:
        return False


def install():
    chosen = os.environ.get("HANDSEL_INSTALLER", "")
    if chosen != "pip" and (chosen == "uv" or pip_is_plain()):
        try:
            install_by_uv()
            return
        except subprocess.CalledProcessError:
            say("uv could not do it; now by pip, which takes longer")
    install_by_pip()


def pip(*arguments):
    return [os.path.join(VENV, "bin", "python"), "-m", "pip", "--disable-pip-version-check"] + list(
        arguments
    )


def pip_is_plain():
    """Whether pip fetches from PyPI as it comes."""
    listed = subprocess.run(
        pip("config", "list"), stdout=subprocess.PIPE, universal_newlines=True, check=False
    )
    names = [line.partition("=")[0].rpartition(".")[2] for line in listed.stdout.splitlines()]
    return not any(name in OWN_WAYS for name in names)


def fetch_uv():
    binary = os.path.join(TOOL, "bin", "uv")
    if not os.path.exists(binary):
        say("fetching uv")
        run(pip("install", "-q", "--require-hashes", "--target", TOOL, "-r", UV_LOCK))
    return binary


def install_by_uv():
    binary = fetch_uv()
    env = dict(os.environ, VIRTUAL_ENV=VENV)
    if "SSL_CERT_FILE" not in env and env.get("PIP_CERT"):
        env["SSL_CERT_FILE"] = env["PIP_CERT"]
    say("fetching what requirements.lock says")
    sync = [binary, "pip", "sync", "--require-hashes", LOCK]
    try:
        run(sync, env)
    except subprocess.CalledProcessError:
        env["UV_SYSTEM_CERTS"] = "1"  # a proxy whose certificate only this machine knows?
        run(sync, env)
    run([binary, "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", ROOT], env)


def install_by_pip():
    with open(LOCK) as file:
        count = sum(1 for line in file if "==" in line)
    say("fetching %d packages" % count)
    run(pip("install", "--no-deps", "--require-hashes", "-r", LOCK), quietly=count)
    run(pip("install", "-q", "--no-deps", "--no-build-isolation", "-e", ROOT))


def run(command, env=None, quietly=0):
    """Run it; with `quietly`, show one line for every tenth package instead of pip's hundreds."""
    if not quietly:
        subprocess.run(command, cwd=ROOT, env=env, check=True)
        return
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, universal_newlines=True
    )
    seen = 0
    for line in process.stdout:
        if line.startswith(("Collecting ", "Requirement already")):
            seen += 1
            if seen % 10 == 0:
                say("%d of %d" % (seen, quietly))
        elif line.startswith(("Installing", "ERROR")):
            say(line.strip()[:60])
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        stop("this failed: %s" % " ".join(map(str, error.cmd))[:200])
    except OSError as error:
        stop("%s." % error)
    except KeyboardInterrupt:
        sys.exit(130)
