"""A still smaller set of models, for tests of what a publication leaves behind: its files, links, owners and order.

Also a draft of it that is ready to be published, for tests that publish the same several times.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import BuildReport, build
from referral_warehouse.warehouse.connection import draft_dir, draft_path
from referral_warehouse.warehouse.publish import Publication, publish
from tests.conftest import using_models
from tests.warehouse.two_users import NOW, plant_two_users


@pytest.fixture(scope="module")
def fewest_models_in_module(fewest_models_folder: Path) -> Iterator[None]:
    """Builds of this module have two tables of core, one mart and those of ops that a publication reads."""
    with using_models(fewest_models_folder):
        yield


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory, fewest_models_folder: Path) -> tuple[Settings, BuildReport]:
    """A directory with the load file of two users and its draft."""
    planted = plant_two_users(tmp_path_factory.mktemp("built"))
    with using_models(fewest_models_folder):
        return planted, build(planted, now=NOW)


@pytest.fixture
def publish_draft(built_once: tuple[Settings, BuildReport], fewest_models: None) -> Callable[[Settings], Publication]:
    """Publishes the draft of two users as if it had just been built in that directory, which takes twice as long."""

    def publish_copy(settings: Settings) -> Publication:
        built, report = built_once
        shutil.copytree(draft_dir(built), draft_dir(settings))
        return publish(settings, replace(report, draft_path=draft_path(settings)))

    return publish_copy
