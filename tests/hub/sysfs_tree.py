"""A tree of files in place of /sys, laid out as the kernel does."""

from __future__ import annotations

from pathlib import Path


class Tree:
    """A tree of files in place of /sys, laid out as the kernel does."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def led(
        self, name: str, *, most: int = 255, level: int = 0, trigger: str | None = None
    ) -> Path:
        folder = self.put(f"class/leds/{name}/max_brightness", f"{most}\n").parent
        (folder / "brightness").write_text(f"{level}\n")
        if trigger is not None:
            (folder / "trigger").write_text(trigger)
        return folder

    def zone(self, number: int, kind: str, temperature: str) -> Path:
        folder = self.put(f"class/thermal/thermal_zone{number}/type", f"{kind}\n").parent
        (folder / "temp").write_text(temperature)
        return folder

    def chip(self, number: int, name: str, *, behind: str = "", **files: str) -> Path:
        folder = self.put(f"class/hwmon/hwmon{number}/name", f"{name}\n").parent
        for file, text in files.items():
            (folder / file).write_text(text)
        if behind:
            device = self.root / "devices" / behind
            device.mkdir(parents=True, exist_ok=True)
            (folder / "device").symlink_to(device)
        return folder


def fail_with_eio(path: Path) -> None:
    """Make a file whose reading really fails with EIO: nothing is mapped at a process's zero."""
    path.unlink(missing_ok=True)
    path.symlink_to("/proc/self/mem")
