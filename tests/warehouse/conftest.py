"""A still smaller set of models, for tests of what a publication leaves behind: its files, links, owners and order.

Also a draft of it that is ready to be published, for tests that publish the same several times.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build, load_report
from referral_warehouse.warehouse.connection import draft_dir
from referral_warehouse.warehouse.publish import Publication, publish
from tests.conftest import using_models
from tests.warehouse.two_users import NOW, plant_two_users


@pytest.fixture(scope="module")
def fewest_models_in_module(fewest_models_folder: Path) -> Iterator[None]:
    """Builds of this module have two tables of core, one mart and those of ops that a publication reads."""
    with using_models(fewest_models_folder):
        yield


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory, fewest_models_folder: Path) -> Settings:
    """A directory with the load file of two users and its draft."""
    planted = plant_two_users(tmp_path_factory.mktemp("built"))
    with using_models(fewest_models_folder):
        build(planted, now=NOW)
    return planted


@pytest.fixture
def publish_draft(built_once: Settings, fewest_models: None) -> Callable[[Settings], Publication]:
    """Publishes the draft of two users as if it had just been built in that directory, which takes twice as long."""

    def publish_copy(settings: Settings) -> Publication:
        shutil.copytree(draft_dir(built_once), draft_dir(settings))
        return publish(settings, load_report(settings))

    return publish_copy
