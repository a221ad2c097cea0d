"""Sealed credentials: only the right key, corp and field open them."""

import os
import stat
import threading
from pathlib import Path

import pytest

from wsapp.vault import Vault, VaultError


def test_what_is_sealed_opens_only_for_its_corp_and_field(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path / "keys" / "master.key")
    sealed = vault.seal("秘密 secret", corp="wecom/ww1", field="credentials")
    assert "secret" not in sealed
    assert vault.open(sealed, corp="wecom/ww1", field="credentials") == "秘密 secret"
    assert vault.seal("秘密 secret", corp="wecom/ww1", field="credentials") != sealed
    for corp, field in (("wecom/ww2", "credentials"), ("wecom/ww1", "token"), ("", "")):
        with pytest.raises(VaultError):
            vault.open(sealed, corp=corp, field=field)


@pytest.mark.parametrize("broken", ["", "v1", "v2.k1.AAAA", "v1.k9.AAAA", "v1.k1.###", "v1.k1." + "A" * 60])
def test_garbage_does_not_open(tmp_path: Path, broken: str) -> None:
    with pytest.raises(VaultError):
        Vault.at(tmp_path / "master.key").open(broken, corp="a", field="b")


def test_the_key_file_is_private_and_made_once_by_many_at_once(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    vaults: list[Vault] = []
    threads = [threading.Thread(target=lambda: vaults.append(Vault.at(path))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({vault.keys["k1"] for vault in vaults}) == 1
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert [child.name for child in tmp_path.iterdir()] == ["master.key"]


def test_keys_rotate_and_old_values_still_open(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    old = Vault.at(path)
    sealed = old.seal("x", corp="a", field="b")
    path.write_text(f"k2 {'ab' * 32}\n{path.read_text()}")
    new = Vault.at(path)
    assert new.open(sealed, corp="a", field="b") == "x"
    assert new.seal("x", corp="a", field="b").startswith("v1.k2.")


def test_another_installations_key_says_so(tmp_path: Path) -> None:
    sealed = Vault.at(tmp_path / "one.key").seal("x", corp="a", field="b")
    with pytest.raises(VaultError, match="another master key"):
        Vault.at(tmp_path / "two.key").open(sealed, corp="a", field="b")


@pytest.mark.parametrize("text", ["", "k1 zz\n", "k1 abcd\n"])
def test_a_broken_key_file_says_what_is_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text)
    with pytest.raises(VaultError):
        Vault.at(path)


def test_derived_keys_differ_from_each_other_and_from_the_master(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path / "master.key")
    assert len({vault.derive("cookies"), vault.derive("file-links"), vault.keys["k1"]}) == 3
