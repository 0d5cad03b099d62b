"""Downloads from a server that drops connections, lies or is not there, and archives that must not be trusted."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_runs import run_cli
from file_server import FileServer, file_server

from bench.data import fetch as fetching
from bench.data.download import Patience, download
from bench.data.fetch import Named, fetch
from bench.data.unpack import BadArchive, unpack
from zoo.errors import DataError

BODY = bytes(range(256)) * 2000
SHA = hashlib.sha256(BODY).hexdigest()
HASTE = Patience(attempts=3, wait=0.001, timeout=5)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with file_server(FileServer({"/prices.parquet": BODY})) as served:
        yield served


def tar_of(members: dict[str, bytes | tuple[bytes, str]], mode: str = "w:gz") -> bytes:
    """A tar archive of name -> contents, or (type, link target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, contents in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(contents, tuple):
                info.type, info.linkname = contents
                archive.addfile(info)
            else:
                info.size = len(contents)
                archive.addfile(info, io.BytesIO(contents))
    return buffer.getvalue()


def zip_of(members: dict[str, bytes], modes: dict[str, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (modes or {}).get(name, 0o644) << 16
            archive.writestr(info, contents, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_a_file_is_fetched_whole_and_its_checksum_told(server, tmp_path):
    told: list[tuple[str, int, int | None]] = []
    got = fetch(
        f"{server.url}/prices.parquet", tmp_path / "new", sha256=SHA.upper(), on_bytes=lambda *a: told.append(a)
    )
    assert got.path.read_bytes() == BODY
    assert got.sha256 == SHA
    assert told[-1] == ("downloading", len(BODY), len(BODY))
    assert names(tmp_path / "new") == ["prices.parquet"]


def test_a_dropped_connection_is_resumed_where_it_broke(server, tmp_path):
    server.drop_after = [100_000, 70_000]
    assert download(f"{server.url}/prices.parquet", tmp_path / "f", patience=HASTE) == SHA
    assert [a.get("Range") for a in server.asked] == [None, "bytes=100000-", "bytes=170000-"]
    assert server.asked[1]["If-Range"] == '"v1"'
    assert names(tmp_path) == ["f"]


def test_an_interrupted_run_is_continued_by_the_next(server, tmp_path):
    url = f"{server.url}/prices.parquet"
    server.drop_after = [200_000, 0, 0, 0]
    with pytest.raises(DataError, match="200,000 bytes are kept, the same command resumes"):
        download(url, tmp_path / "f", patience=HASTE)
    assert (tmp_path / "f.part").stat().st_size == 200_000
    server.asked.clear()
    assert download(url, tmp_path / "f", patience=HASTE) == SHA
    assert [a.get("Range") for a in server.asked] == ["bytes=200000-"]


def test_a_file_that_changed_meanwhile_is_fetched_afresh(server, tmp_path):
    url = f"{server.url}/prices.parquet"
    server.drop_after = [200_000, 0, 0, 0]
    with pytest.raises(DataError):
        download(url, tmp_path / "f", patience=HASTE)
    server.files["/prices.parquet"], server.etag = BODY[::-1], '"v2"'
    download(url, tmp_path / "f", patience=HASTE)
    assert (tmp_path / "f").read_bytes() == BODY[::-1]


def test_bytes_of_another_address_are_never_continued(server, tmp_path):
    server.files["/other"] = BODY[::-1]
    server.drop_after = [200_000, 0, 0, 0]
    with pytest.raises(DataError):
        download(f"{server.url}/other", tmp_path / "f", patience=HASTE)
    assert download(f"{server.url}/prices.parquet", tmp_path / "f", patience=HASTE) == SHA


def test_without_a_validator_only_a_checksum_lets_a_later_run_resume(server, tmp_path):
    url, server.etag = f"{server.url}/prices.parquet", ""
    for sha256, asked in ((None, [None]), (SHA, ["bytes=200000-"])):
        server.drop_after = [200_000, 0, 0, 0]
        with pytest.raises(DataError):
            download(url, tmp_path / "f", patience=HASTE)
        server.asked.clear()
        assert download(url, tmp_path / "f", patience=HASTE, sha256=sha256) == SHA
        assert [a.get("Range") for a in server.asked] == asked


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges, server.drop_after = False, [100_000]
    assert download(f"{server.url}/prices.parquet", tmp_path / "f", patience=HASTE) == SHA


def test_a_complete_part_needs_no_byte_more(server, tmp_path):
    url = f"{server.url}/prices.parquet"
    server.drop_after = [200_000, 0, 0, 0]
    with pytest.raises(DataError):
        download(url, tmp_path / "f", patience=HASTE)
    (tmp_path / "f.part").write_bytes(BODY)
    assert download(url, tmp_path / "f", patience=HASTE) == SHA


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    url = f"{server.url}/prices.parquet"
    server.drop_after = [200_000, 0, 0, 0]
    with pytest.raises(DataError):
        download(url, tmp_path / "f", patience=HASTE)
    (tmp_path / "f.part").write_bytes(BODY + b"x")
    assert download(url, tmp_path / "f", patience=HASTE) == SHA


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.statuses = [503, 429]
    assert download(f"{server.url}/prices.parquet", tmp_path / "f", patience=HASTE) == SHA


def test_a_missing_file_is_not_asked_for_twice(server, tmp_path):
    with pytest.raises(DataError, match="404 Not Found; check the address"):
        download(f"{server.url}/nothing", tmp_path / "f", patience=HASTE)
    assert len(server.asked) == 1
    assert names(tmp_path) == []


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(DataError, match=f"SHA-256 is {SHA}, not {'0' * 64}"):
        fetch(f"{server.url}/prices.parquet", tmp_path, sha256="0" * 64)
    assert names(tmp_path) == []
    with pytest.raises(DataError, match="64 hexadecimal digits"):
        fetch(f"{server.url}/prices.parquet", tmp_path, sha256="abc")


def test_no_network_is_said_in_words(tmp_path, server):
    url = server.url
    with pytest.raises(DataError, match=r"no network, or no such host: nowhere\.invalid"):
        download("http://nowhere.invalid/x.zip", tmp_path / "f", patience=HASTE)
    server.statuses = [500, 500, 500]
    with pytest.raises(DataError, match="500 Internal Server Error"):
        download(f"{url}/prices.parquet", tmp_path / "f", patience=HASTE)


def test_a_closed_port_is_said_in_words(tmp_path):
    with file_server(FileServer()) as gone:
        url = gone.url
    with pytest.raises(DataError, match=r"no connection to 127\.0\.0\.1"):
        download(f"{url}/x", tmp_path / "f", patience=HASTE)


@pytest.mark.parametrize("lengths", [True, False])
def test_too_large_a_file_is_refused_and_removed(server, tmp_path, lengths):
    server.lengths = lengths
    with pytest.raises(DataError, match="more than the 1,000 bytes allowed"):
        download(f"{server.url}/prices.parquet", tmp_path / "f", most_bytes=1000)
    assert names(tmp_path) == []


def test_redirects_are_followed(server, tmp_path):
    server.redirects["/latest"] = f"{server.url}/prices.parquet"
    server.drop_after = [1000]
    assert download(f"{server.url}/latest", tmp_path / "f", patience=HASTE) == SHA
    server.redirects["/evil"] = "file:///etc/passwd"
    with pytest.raises(DataError):
        download(f"{server.url}/evil", tmp_path / "g", patience=HASTE)
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("file:///etc/passwd", "only http"),
        ("ftp://host/x", "only http"),
        ("http:///x", "names no host; only http"),
        ("https://:80/x", "names no host"),
        ("http://[::1/x", "is no address"),
        ("http://host:port/x", "is no address"),
        ("http://host/a b.zip", "no spaces"),
        ("http://host/股.zip", "no letters beyond ASCII"),
        ("https://user:secret@host/x.zip", "https://host/x.zip: was given with a user name or a password"),
        ("https://token@host/x.zip", "a user name or a password"),
        ("https://user:secret@host:port/x.zip", "is no address"),
    ],
)
def test_only_web_addresses_without_credentials_are_fetched(url, told, tmp_path):
    answer = run_cli("data", "fetch", url, "-o", tmp_path / "in")
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert told in answer.err
    assert "secret" not in answer.err
    assert names(tmp_path) == []


def test_an_unknown_name_is_answered_by_the_nearest(tmp_path):
    with pytest.raises(DataError, match=r"did you mean 'qlib-cn'"):
        fetch("qlib_cn", tmp_path)
    with pytest.raises(DataError, match="names no file"):
        fetch("http://127.0.0.1/", tmp_path)


ARCHIVES = {
    "a.tar.gz": tar_of({"top/x/one.txt": b"1", "top/two.txt": b"2"}),
    "a.tgz": tar_of({"./x/one.txt": b"1", "./two.txt": b"2"}),
    "a.tar": tar_of({"top/x/one.txt": b"1", "top/two.txt": b"2"}, "w"),
    "a.zip": zip_of({"x/one.txt": b"1", "two.txt": b"2"}),
}


@pytest.mark.parametrize("name", sorted(ARCHIVES))
def test_an_archive_becomes_a_directory_of_its_name(server, tmp_path, name):
    server.files[f"/{name}"] = ARCHIVES[name]
    got = fetch(f"{server.url}/{name}", tmp_path)
    assert got.path == tmp_path / "a"
    assert got.files == 2
    assert names(tmp_path) == ["a", "a/two.txt", "a/x", "a/x/one.txt"]
    with pytest.raises(DataError, match="exists already; --force"):
        fetch(f"{server.url}/{name}", tmp_path)
    server.files[f"/{name}"] = ARCHIVES["a.zip"] if name.endswith("zip") else tar_of({"new": b""}, "w:gz")
    fetch(f"{server.url}/{name}", tmp_path, force=True)
    assert names(tmp_path) == (["a", "a/two.txt", "a/x", "a/x/one.txt"] if name.endswith("zip") else ["a", "a/new"])


def test_a_directory_inside_one_of_its_own_name_survives(tmp_path):
    (tmp_path / "a.zip").write_bytes(zip_of({"a/a/x": b"1", "a/0/y": b"2"}))
    unpack(tmp_path / "a.zip", tmp_path / "a")
    assert (tmp_path / "a" / "a" / "x").read_bytes() == b"1"
    assert (tmp_path / "a" / "0" / "y").read_bytes() == b"2"


EVIL: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "parent": ("e.tar.gz", lambda: tar_of({"fine": b"", "../evil": b"x"}), "outside the target"),
    "inner parent": ("e.tar.gz", lambda: tar_of({"a/../../evil": b"x"}), "outside the target"),
    "absolute": ("e.tar.gz", lambda: tar_of({"/evil-absolute": b"x"}), "outside the target"),
    "symlink": ("e.tar.gz", lambda: tar_of({"l": (tarfile.SYMTYPE, "/etc"), "l/evil": b"x"}), "is a link to '/etc'"),
    "hard link": ("e.tar.gz", lambda: tar_of({"l": (tarfile.LNKTYPE, "../../evil")}), "is a link to"),
    "fifo": ("e.tar.gz", lambda: tar_of({"p": (tarfile.FIFOTYPE, "")}), "is a device"),
    "zip parent": ("e.zip", lambda: zip_of({"../evil": b"x"}), "outside the target"),
    "zip backslash": ("e.zip", lambda: zip_of({"..\\evil": b"x"}), "outside the target"),
    "zip drive": ("e.zip", lambda: zip_of({"C:/evil": b"x"}), "outside the target"),
    "zip link": ("e.zip", lambda: zip_of({"l": b"/etc"}, {"l": stat.S_IFLNK | 0o777}), "is a link"),
    "name clash": ("e.tar.gz", lambda: tar_of({"a": b"", "a/b": b"x"}), "a file and a directory of one name"),
    "empty": ("e.tar.gz", lambda: tar_of({}), "holds no files"),
    "no archive": ("e.tar.gz", lambda: b"<html>not found</html>", "broken archive"),
    "no zip": ("e.zip", lambda: b"<html>not found</html>", "broken archive"),
    "cut off": ("e.tar.gz", lambda: tar_of({"a": os.urandom(5000)})[:600], "broken archive"),
    "bomb": ("e.zip", lambda: zip_of({"a": bytes(1_000_000)}), "holds more than 200 times its own .* bytes"),
    "packed bomb": ("e.tar.xz", lambda: tar_of({"a": bytes(10_000_000)}, "w:xz"), "holds more than 200 times"),
}


@pytest.mark.parametrize("case", sorted(EVIL))
def test_an_evil_or_broken_archive_leaves_nothing(server, tmp_path, case):
    name, build, told = EVIL[case]
    server.files[f"/{name}"] = build()
    folder = tmp_path / "in"
    with pytest.raises(BadArchive, match=told):
        fetch(f"{server.url}/{name}", folder)
    assert names(tmp_path) == ["in"]
    assert not Path("/evil-absolute").exists()


def test_an_archive_may_not_grow_without_limit(tmp_path):
    (tmp_path / "b.zip").write_bytes(zip_of({"a": os.urandom(100_000), "b": b"", "c": b""}))
    with pytest.raises(BadArchive, match="holds more than 10,000 bytes"):
        unpack(tmp_path / "b.zip", tmp_path / "b", most_bytes=10_000)
    with pytest.raises(BadArchive, match="more than 2 files"):
        unpack(tmp_path / "b.zip", tmp_path / "b", most_files=2)
    assert names(tmp_path) == ["b.zip"]


def test_what_is_unpacked_is_limited_as_the_download_is_and_leaves_nothing(server, tmp_path):
    server.files["/b.zip"] = zip_of({"a": bytes(range(256)) * 40})
    answer = run_cli("data", "fetch", f"{server.url}/b.zip", "-o", tmp_path / "in", "--max-gb", 5000 / 2**30)
    assert answer.code == 2
    assert "b.zip: holds more than 5,000 bytes; not unpacked (--max-gb)" in answer.err
    assert names(tmp_path) == ["in"]


def test_an_archive_stays_until_there_is_space_for_what_it_holds(server, tmp_path):
    archive = tmp_path / "a.zip"
    with archive.open("wb") as hole:
        hole.truncate(1 << 40)  # a file with a hole: large, but not on the disk
    with zipfile.ZipFile(archive, "a") as writing:
        writing.writestr("prices.csv", "date,close")
        writing.infolist()[0].file_size = 1 << 47
    with pytest.raises(DataError, match=r"140,737,488,355,328 bytes and a tenth more are needed, [\d,]+ are free"):
        unpack(archive, tmp_path / "a", most_bytes=1 << 50)
    assert names(tmp_path) == ["a.zip"]


def test_a_download_that_would_fill_the_disk_is_refused_and_leaves_nothing(server, tmp_path):
    server.length = 1 << 47
    with pytest.raises(DataError, match=r"140,737,488,355,328 bytes and a tenth more are needed"):
        download(f"{server.url}/prices.parquet", tmp_path / "f", patience=HASTE, most_bytes=1 << 50)
    assert names(tmp_path) == []


def test_a_named_source_is_unpacked_under_its_name_and_loads(server, tmp_path, monkeypatch):
    golden = Path(__file__).parents[2] / "golden" / "qlib_dir"
    files = {f"qlib_bin/{p.relative_to(golden)}": p.read_bytes() for p in golden.rglob("*") if p.is_file()}
    server.files["/qlib_bin.tar.gz"] = tar_of(files)
    monkeypatch.setitem(fetching.NAMED, "qlib-cn", Named(f"{server.url}/qlib_bin.tar.gz", "test"))
    got = fetch("qlib-cn", tmp_path)
    assert got.path == tmp_path / "qlib-cn"
    from zoo.data.sources import load_panel

    assert load_panel(got.path).n_stocks == 12


def test_the_community_archive_is_a_named_source():
    assert fetching.NAMED["qlib-cn"].url.startswith("https://github.com/chenditc/investment_data/releases/latest/")


def test_an_archive_already_downloaded_is_not_downloaded_again(server, tmp_path):
    (tmp_path / "a.zip").write_bytes(ARCHIVES["a.zip"])
    fetch(f"{server.url}/a.zip", tmp_path)
    assert server.asked == []
    assert names(tmp_path) == ["a", "a/two.txt", "a/x", "a/x/one.txt"]
