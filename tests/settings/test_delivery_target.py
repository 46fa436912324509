"""Where feeds are delivered: what is accepted, and what is refused without repeating an address."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.settings.delivery_target import DeliveryTarget

NAME = "WAREHOUSE__DELIVER_TO"
WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=20)


def load(folder: Path, **environ: str) -> Settings:
    return load_settings(environ=environ, folder=folder, home=folder / "home")


@pytest.mark.parametrize(
    ("text", "target", "is_shown_as"),
    [
        ("s3://bucket", DeliveryTarget(bucket="bucket"), "s3://bucket"),
        ("s3://my.bucket-1/", DeliveryTarget(bucket="my.bucket-1"), "s3://my.bucket-1"),
        ("s3://bucket/a/b=c/", DeliveryTarget(bucket="bucket", prefix="a/b=c"), "s3://bucket/a/b=c"),
        ("/srv/feeds", DeliveryTarget(Path("/srv/feeds")), "/srv/feeds"),
        ("feeds", DeliveryTarget(Path("/base/feeds")), "/base/feeds"),
        ("./s3:x", DeliveryTarget(Path("/base/s3:x")), "/base/s3:x"),
    ],
)
def test_a_target_is_a_folder_or_a_bucket(text: str, target: DeliveryTarget, is_shown_as: str) -> None:
    found = load(Path("/base"), WAREHOUSE__DELIVER_TO=text).deliver_to
    assert found == target
    assert str(found) == is_shown_as


def test_there_is_none_by_default(tmp_path: Path) -> None:
    assert load(tmp_path).deliver_to is None


@pytest.mark.parametrize(
    "text",
    [
        "s3://", "s3:///prefix", "s3:/bucket/prefix", "S3://bucket", "s3://Bucket", "s3://b", "s3://bucket:9000/x",
        "https://bucket.s3.amazonaws.com/x", "gs://bucket/x", "file:///srv/feeds", "s3://bucket//x", "s3://bucket/../x",
        "s3://bucket/./x", "s3://bucket/x?y=1", "s3://bucket/x#y", "s3://bucket/a b", "s3://bucket/ü", "s3://bucket/%2e",
        "s3://bucket/" + "x" * 900, "s3://bucket/a\nb",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=NAME) as refused:
        load(tmp_path, WAREHOUSE__DELIVER_TO=text)
    assert "s3://bucket/prefix" in refused.value.next_step
    assert len(str(refused.value).splitlines()) == 1


@given(WORD, WORD, st.sampled_from(["s3", "https", "S3", "s3a"]), st.sampled_from(["", ":9000", "/prefix?x=1"]))
def test_a_password_in_an_address_is_never_repeated(user: str, password: str, scheme: str, end: str) -> None:
    def refusal(secret: str) -> str:
        with pytest.raises(ConfigurationError, match="must not contain a user name or password") as refused:
            load(Path("/base"), WAREHOUSE__DELIVER_TO=f"{scheme}://{secret}bucket{end}")
        return f"{refused.value} {refused.value.next_step}"

    known = refusal("one:other@")  # the sentence is the same, also for a password that is one of its words
    assert "AWS_ACCESS_KEY_ID" in known
    assert {refusal(f"{user}:{password}@"), refusal(f"{password}@"), refusal(f"{user}:{password}@{user}@")} == {known}


@pytest.mark.parametrize("token", ["", "environment", "home", "folder"])
@pytest.mark.parametrize("target", ["environment", "home", "folder"])
@pytest.mark.parametrize("text", ["s3://bucket/prefix", "delivered"])
def test_a_bucket_that_only_a_folder_names_gets_nothing(tmp_path: Path, token: str, target: str, text: str) -> None:
    environ = {}
    for place, section, key, value in (
        (token, "sources.referral_factory", "api_token", "tok-5e1f0a77c3"), (target, "warehouse", "deliver_to", text),
    ):  # fmt: skip
        if place == "environment":
            environ["__".join([*section.split("."), key]).upper()] = value
        elif place:
            file = (tmp_path if place == "folder" else tmp_path / "home") / ".dlt" / "config.toml"
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a") as stream:
                stream.write(f'[{section}]\n{key} = "{value}"\n')
            file.chmod(0o600)
    if text.startswith("s3:") and target == "folder" and token != "folder":
        with pytest.raises(ConfigurationError, match=r"only .*config\.toml names it"):
            load(tmp_path, **environ)
    else:
        assert load(tmp_path, **environ).deliver_to is not None


@pytest.mark.parametrize(
    ("delivered", "is_refused"),
    [
        ("data", True), ("data/feeds", True), (".", True), ("link", True), ("published", True), ("published/x", True),
        ("delivered", False), ("data-delivered", False),
    ],
)  # fmt: skip
def test_feeds_are_not_delivered_into_what_they_are_made_from(tmp_path: Path, delivered: str, is_refused: bool) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    environ = {NAME: delivered, "WAREHOUSE__PUBLISH_DIR": "published"}
    if is_refused:
        with pytest.raises(ConfigurationError, match=r"WAREHOUSE__DELIVER_TO .* one inside the other"):
            load(tmp_path, **environ)
    else:
        target = load(tmp_path, **environ).deliver_to
        assert target is not None
        assert target.folder == tmp_path / delivered
