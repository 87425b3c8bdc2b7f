"""The disk fills up, turns read-only or takes the server's rights away while it serves: writes are refused with the reason, reads
go on, and all is well again without a restart when the disk is."""

import errno
import os
import resource
import subprocess

import pytest

from expectations import assert_error
from failing import Shim
from farthing_server import Server, init, run, run_ok

pytestmark = pytest.mark.embedded("the disk is that of the data directory")


@pytest.fixture
def ext4(tmp_path):
    """A file system of 24 MB in a file."""
    image, folder = tmp_path / "image", tmp_path / "ext4"
    with open(image, "wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", image], check=True)
    folder.mkdir()
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def place_on_ext4(ext4, new_place):
    place = new_place(ext4)
    yield place
    place.end()  # before its disk goes away


def fill(folder):
    """Leaves nothing free."""
    with open(folder / "ballast", "wb", buffering=0) as file:
        try:
            for size in (1 << 20, 4096, 512):
                while file.write(bytes(size)) == size:
                    pass
        except OSError as error:
            assert error.errno == errno.ENOSPC


@pytest.mark.needs("disks in files")
def test_a_disk_fills_up_and_has_room_again(ext4, place_on_ext4):
    for _ in range(2):
        fill(ext4)
        place_on_ext4.assert_writes_are_refused("disk_full")
        (ext4 / "ballast").unlink()
        place_on_ext4.assert_all_is_well_again()


@pytest.mark.needs("disks in files")
def test_files_turn_immutable_while_they_are_open(ext4, place_on_ext4):
    """The rights that a descriptor came with are taken from it, as a remount or an operator may do."""
    files = [place_on_ext4.directory / name for name in ("farthing.db", "farthing.db-wal")]
    subprocess.run(["chattr", "+i", *files], check=True)
    try:
        place_on_ext4.assert_writes_are_refused("read_only")
    finally:
        subprocess.run(["chattr", "-i", *files], check=True)
    place_on_ext4.assert_all_is_well_again()


@pytest.mark.parametrize(
    ("error", "reason"),
    [(errno.EROFS, "read_only"), (errno.EDQUOT, "disk_full"), (errno.ENOSPC, "disk_full"), (errno.EIO, "io_error")],
    ids=errno.errorcode.get,
)
def test_writes_fail_and_succeed_again(tmp_path, new_place, error, reason):
    """A system that finds its disk ill turns it read-only under open files; a quota is used up."""
    shim = Shim(tmp_path / "shim")
    place = new_place(variables=shim.variables)
    with shim.failing_writes(error):
        place.assert_writes_are_refused(reason)
        with place.client() as client:
            ready = client.get("/ready")
            assert (ready.status, ready.json()["checks"]["disk"]) == (503, reason)
    place.assert_all_is_well_again()


def test_the_largest_size_of_a_file_is_reached(new_place):
    """The system sends a signal as well (SIGXFSZ), which would end a process that does not expect it."""
    place = new_place()
    size = max((place.directory / name).stat().st_size for name in ("farthing.db", "farthing.db-wal"))
    with place.limit(resource.RLIMIT_FSIZE, size):
        place.assert_writes_are_refused("disk_full")
    place.assert_all_is_well_again()


# Root without what lets it past permissions: its own modes hold for it as for any other user.
ORDINARY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")


@pytest.mark.needs("root")
def test_permissions_are_lost(new_place):
    """What is open stays open, and goes on. What must be opened anew is refused with the reason: a search has a connection of its
    own, which is closed when it was idle."""
    place = new_place(launcher=ORDINARY)
    entries = [place.directory, *place.directory.iterdir()]
    modes = {entry: entry.stat().st_mode & 0o7777 for entry in entries}
    for entry in reversed(entries):
        entry.chmod(0)
    with place.client() as client:
        search = {"filters": [{"field": "name", "operator": "contains", "data_type": "string", "value": {"string": "now"}}]}
        assert_error(client.post("/v1/customers/search", search), 503, details={"reason": "cannot_open"})
        place.changes.wait_for_progress(20)
        place.reads.assert_go_on()
        for entry in entries:
            entry.chmod(modes[entry])
        found = client.post("/v1/customers/search", search)
        assert (found.status, found.json()["pagination"]["total"]) == (200, 10), found
    place.assert_all_is_well_again()


@pytest.mark.needs("disks in files")
@pytest.mark.parametrize("is_served", [True, False], ids=["served", "at rest"])
def test_a_backup_that_does_not_fit_leaves_its_name_and_the_room_free(ext4, tmp_path, is_served):
    """bug: its directory stayed, so that it could not be made under this name when there was room, and what was copied kept the
    disk full until the next backup."""
    directory, rows = tmp_path / "data", tmp_path / "rows.csv"
    init(directory)
    rows.write_text("external_id,name\n" + "".join(f"c{number},{'C' * 200}\n" for number in range(5000)), encoding="ascii")
    run_ok("import", "customers", rows, "--data", directory)
    with open(ext4 / "ballast", "wb") as file:
        file.write(bytes(os.statvfs(ext4).f_bavail * os.statvfs(ext4).f_frsize - (1 << 20)))
    server = Server(directory) if is_served else None
    names, room = sorted(os.listdir(ext4)), os.statvfs(ext4).f_bavail
    for _ in range(3):
        done = run("backup", ext4 / "backup", "--data", directory)
        assert done.returncode == 1 and "No space left on device" in done.stderr
        assert sorted(os.listdir(ext4)) == names
        assert os.statvfs(ext4).f_bavail >= room - 64  # a directory may have grown by some KiB
    (ext4 / "ballast").unlink()
    run_ok("backup", ext4 / "backup", "--data", directory)
    if server:
        server.stop()
