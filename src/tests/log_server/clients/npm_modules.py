"""npm_modules.py - the clients' npm packages, installed once beside copies of the lock files."""
import os, shutil, subprocess


def install(here, modules):
    """npm ci, again only when the lock file changes. False: not possible here."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return False
    os.makedirs(modules, exist_ok=True)
    stamp = os.path.join(modules, "stamp")
    with open(os.path.join(here, "package-lock.json")) as lock:
        wanted = lock.read()
    if not os.path.exists(stamp) or open(stamp).read() != wanted:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(here, name), modules)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=modules,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=400)
        if done.returncode != 0:
            return False
        with open(stamp, "w") as out:
            out.write(wanted)
    # Modules are looked up from where a script stands.
    for name in os.listdir(here):
        if name.endswith(".mjs"):
            shutil.copy(os.path.join(here, name), modules)
    return True
