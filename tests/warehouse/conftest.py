"""A still smaller set of models, for tests of what a publication leaves behind: its files, links, owners and order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import using_models
from tests.warehouse.few_models import FEWEST, copy_few_models


@pytest.fixture(scope="session")
def fewest_models_folder() -> Iterator[Path]:
    """A folder that every user can read, since some tests go on as another user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield copy_few_models(Path(folder), FEWEST)


@pytest.fixture(scope="module")
def fewest_models_in_module(fewest_models_folder: Path) -> Iterator[None]:
    """Builds of this module have two tables of core, one mart and those of ops that a publication reads."""
    with using_models(fewest_models_folder):
        yield


@pytest.fixture
def fewest_models(fewest_models_folder: Path) -> Iterator[None]:
    """Builds of this test have two tables of core, one mart and those of ops that a publication reads."""
    with using_models(fewest_models_folder):
        yield
